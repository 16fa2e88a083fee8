update api_keys set hash = $1 where id = $2 and revoked_at is null
