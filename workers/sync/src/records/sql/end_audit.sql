update audit_ends set hash = $1 where one = 1
