select max(id) from (select id from jobs where id > $1 order by id limit $2) as page
