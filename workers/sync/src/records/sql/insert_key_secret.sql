insert into key_secrets (key_id, hash, created_at, ends_at) values ($1, $2, $3, $4)
