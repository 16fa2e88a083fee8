-- Without what belongs to a contact that GHL is yet to get: no comparison looks at it.
select 'contact', count(*)
from contacts
where location_id = $1 and deleted_at is null and base is not null
union all
select e.kind, count(*)
from entries e
join contacts c on c.location_id = e.location_id and c.contact_id = e.contact_id
where e.location_id = $1 and e.deleted = 0 and c.deleted_at is null and c.base is not null
group by e.kind
