-- Contacts that the walk did not meet, or in which it found something, after $3.
select contact_id
from (
    select contact_id
    from contacts
    where location_id = $1 and deleted_at is null and base is not null and coalesce(seen_walk, '') <> $2
    union
    select contact_id from findings where walk_id = $2
) candidates
where contact_id > $3
order by contact_id
limit $4
