-- A dead row owes its work again, with all attempts before it.
update jobs
set state = 'waiting', finished_at = null, attempts = 0, kills = 0, due_at = null
where id = $1 and state = 'dead'
