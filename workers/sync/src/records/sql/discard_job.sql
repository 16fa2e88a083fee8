update jobs
set state = 'done'
where id = $1 and state = 'dead'
