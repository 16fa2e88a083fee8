update audit_ends set forgotten_seq = $1, forgotten_hash = $2 where one = 1
