select
    id, location_id, purpose, phase, cursor, page_limit, known_only, tasks_apart, pause_ms, next_at, total, contacts, tasks, notes,
    appointments, detailed, calls, started_at, updated_at, finished_at
from walks
where id = $1
