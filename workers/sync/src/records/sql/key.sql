-- A row for each secret that opens the key at $2; `secret` is null where there is none.
select
    keys.id, keys.name, keys.roles, keys.every_location, keys.reads_people, keys.created_by, keys.created_at, keys.expires_at, keys.events_per_minute,
    keys.last_used_at, keys.revoked_at, keys.hash, secrets.hash as secret, secrets.ends_at
from api_keys as keys
left join key_secrets as secrets on secrets.key_id = keys.id and (secrets.ends_at is null or secrets.ends_at > $2)
where keys.id = $1
