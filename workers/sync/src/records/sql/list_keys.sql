select
    id, name, roles, every_location, reads_people, created_by, created_at, expires_at, events_per_minute, last_used_at, revoked_at
from api_keys
order by created_at, id
