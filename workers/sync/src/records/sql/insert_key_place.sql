insert into key_places (key_id, kind, place) values ($1, $2, $3) on conflict do nothing
