insert into api_keys (id, name, hash, created_at) values ($1, $2, $3, $4)
