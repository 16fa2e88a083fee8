select count(*) from api_keys where revoked_at is null and expires_at > $1 and expires_at <= $2
