-- Ends rows that runs still hold, as done. The pairs of id and epoch are appended; each is found by its id, and by no index over open rows, whose
-- statistics may be of a moment without any.
update jobs
set state = 'done', finished_at = $1, attempts = attempts + 1, last_error = null, outcome = null, unapplied = null
where coalesce(finished_at, 0) = 0 and state || '' = 'running' and (id, epoch) in (values
