update walks
set phase = $1,
    cursor = $2,
    page_limit = $3,
    tasks_apart = $4,
    next_at = $5,
    total = $6,
    contacts = $7,
    tasks = $8,
    notes = $9,
    appointments = $10,
    detailed = $11,
    calls = $12,
    updated_at = $13,
    finished_at = $14
where id = $15
