update api_keys set hash = $1, expires_at = coalesce($2, expires_at) where id = $3
