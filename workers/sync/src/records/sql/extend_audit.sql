-- Makes room for $1 rows, and lets others wait until they are written.
update audit_ends set seq = seq + $1 where one = 1 returning seq, hash
