delete from conflicts
where id in (select id from conflicts where found_at < $1 order by found_at limit $2)
