update conflicts set undone_at = $1 where id = $2 and undone_at is null
