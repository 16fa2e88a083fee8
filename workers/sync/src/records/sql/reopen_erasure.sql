update erasures set erased = $1, pending = 1 where id = $2
