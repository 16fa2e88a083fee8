insert into audit (seq, at, actor_kind, actor, action, target, location_id, request_id, outcome, details, hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
