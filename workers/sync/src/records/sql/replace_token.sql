-- No row where the token is no longer the one that the caller read.
update connections
set token = $1, key_id = $2, updated_at = $3
where location_id = $4 and token = $5
