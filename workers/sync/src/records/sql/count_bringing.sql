-- Open jobs that bring the contact here, and those that were given up.
select
    (select count(*) from jobs where finished_at is null and kind = 'pull_contact' and location_id = $1 and record_id = $2) as open,
    (select count(*) from jobs where state = 'dead' and kind = 'pull_contact' and location_id = $1 and record_id = $2) as dead
