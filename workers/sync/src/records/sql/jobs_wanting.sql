-- Jobs of a key that are open, or that a person has yet to decide about.
select
    (select count(*) from jobs where finished_at is null and kind = $1 and location_id = $2 and record_id = $3)
    + (select count(*) from jobs where state = 'dead' and kind = $1 and location_id = $2 and record_id = $3)
