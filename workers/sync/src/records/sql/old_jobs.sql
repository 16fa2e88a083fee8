-- The next rows after the id $1, in the order in which they were accepted.
select id, created_at from jobs where id > $1 order by id limit $2
