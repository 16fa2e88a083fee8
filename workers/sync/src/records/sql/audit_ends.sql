select seq, hash, forgotten_seq, forgotten_hash from audit_ends where one = 1
