select id, name, created_at, revoked_at, hash from api_keys order by created_at, id
