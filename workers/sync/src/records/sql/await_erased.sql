update erasures set awaits = $1 where id = $2
