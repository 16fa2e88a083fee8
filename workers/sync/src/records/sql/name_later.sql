insert into erasure_ids (erasure_id, location_id, id, is_person)
values ($1, $2, $3, 1)
on conflict do nothing
