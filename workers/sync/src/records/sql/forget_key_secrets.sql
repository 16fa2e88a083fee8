delete from key_secrets where key_id = $1 and ends_at <= $2
