select kind, place from key_places where key_id = $1 order by kind desc, place
