select count(*) from (select 1 as one from jobs where state = 'done' and discarded_at is null limit $1) as done
