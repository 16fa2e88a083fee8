delete from jobs
where id in (
    select id from jobs where state = 'dead' and finished_at < $1 limit $2
)
