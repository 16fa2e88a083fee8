-- Up to where the contacts of a location were read, by their dates of change: what changed in the last $2 ms before a walk began, GHL's search
-- may not have shown to it.
select place, reached_at, reached
from (
    select
        case when reached_at is null or reached_at > started_at - $2 then started_at - $2 else reached_at end as place,
        reached_at,
        reached
    from walks
    where location_id = $1
      and purpose in ('import', 'sweep', 'full')
      and (reached_at is not null or phase = 'done')
) read
order by place desc
limit 1
