-- The process that ran them is gone: they wait again.
update jobs
set state = 'waiting', due_at = null, kills = kills + 1
where finished_at is null and state = 'running'
