select id, name, created_at, revoked_at, hash from api_keys where id = $1
