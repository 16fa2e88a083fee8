-- All ids of the contact, $3, of its records and of its runs of flows, before its rows go.
insert into erasure_ids (erasure_id, location_id, id, is_person)
select $1, $2, id, max(is_person)
from (
    select cast($3 as text) as id, 1 as is_person
    union all select clienty_id, 1 from contacts where location_id = $2 and contact_id = $3 and clienty_id is not null
    union all select alias, 1 from contact_aliases where location_id = $2 and contact_id = $3
    union all select row_id, 0 from contacts where location_id = $2 and contact_id = $3
    union all select row_id, 0 from entries where location_id = $2 and contact_id = $3
    union all
    select id, 0 from flow_runs
    where location_id = $2
      and (contact_id = $3 or contact_id in (select alias from contact_aliases where location_id = $2 and contact_id = $3))
) as named
group by id
on conflict do nothing
