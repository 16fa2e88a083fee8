update walks set finished_at = null where id = $1
