delete from event_ids
where event_id = $1 and location_id = $2 and producer = $3
