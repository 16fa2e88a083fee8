select traces from erasures where id = $1
