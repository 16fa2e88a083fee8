delete from findings where walk_id = $1 and contact_id = $2
