update key_secrets set ends_at = $1 where key_id = $2 and (ends_at is null or ends_at > $1)
