update change_counter set forgotten = $1, forgotten_at = case when forgotten_at > $2 then forgotten_at else $2 end where forgotten < $1
