-- The newest of each purpose stays, and the one that says up to where the contacts of its location were read.
delete from walks
where id in (
    select id from walks as old
    where finished_at < $1
      and exists (
        select 1 from walks as newer
        where newer.location_id = old.location_id
          and newer.purpose = old.purpose
          and newer.started_at > old.started_at
          and (old.reached_at is null or newer.reached_at is not null or newer.phase = 'done')
      )
    order by finished_at
    limit $2
)
