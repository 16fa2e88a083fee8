select
    id, location_id, purpose, phase, cursor, page_limit, known_only, tasks_apart, pause_ms, next_at, total, contacts, tasks, notes,
    appointments, detailed, calls, passed_over, not_shown, found, since_at, created_after, reached_at, reached, started_at, updated_at, finished_at,
    uncompared
from walks
where id = $1
