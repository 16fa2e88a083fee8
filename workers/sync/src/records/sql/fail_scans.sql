-- Sweeps that have not moved since $2: their job is dead, and the next sweep begins anew.
update walks
set phase = 'failed', finished_at = $1
where finished_at is null and purpose in ('sweep', 'full', 'details') and updated_at < $2
