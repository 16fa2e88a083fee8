delete from findings where walk_id in (select id from walks where location_id = $1)
