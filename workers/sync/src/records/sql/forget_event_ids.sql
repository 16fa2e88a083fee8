delete from event_ids
where (event_id, location_id, producer) in (
    select event_id, location_id, producer from event_ids where accepted_at < $1 order by accepted_at limit $2
)
