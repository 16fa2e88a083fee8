select id, awaits from erasures where location_id = $1 and lifted_at is null and awaits is not null
