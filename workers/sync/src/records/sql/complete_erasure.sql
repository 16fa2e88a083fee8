update erasures set erased = $1, pending = 0 where id = $2
