update erasures set traces = $1 where id = $2
