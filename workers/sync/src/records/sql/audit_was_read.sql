select seq from audit where action = $1 and actor_kind = $2 and actor = $3 and at > $4 order by seq desc limit 1
