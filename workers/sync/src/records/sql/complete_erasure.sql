update erasures set erased = $1, pending = 0, traces = null where id = $2
