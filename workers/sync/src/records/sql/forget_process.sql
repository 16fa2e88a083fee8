-- The process itself, and those of which nothing was seen for a day.
delete from processes where id = $1 or seen_at < $2
