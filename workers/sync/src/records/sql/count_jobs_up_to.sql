-- By the indexes of open and of dead rows, of each state $2 at most: of a million the first ten thousand are enough to say that there are many.
select 'waiting' as state, count(*) as jobs from (select 1 as one from jobs where finished_at is null and state = 'waiting'
    and ($1 is null or location_id in (select location_id from key_sees where key_id = $1)) limit $2) as counted
union all
select 'scheduled', count(*) from (select 1 as one from jobs where finished_at is null and state = 'scheduled'
    and ($1 is null or location_id in (select location_id from key_sees where key_id = $1)) limit $2) as counted
union all
select 'running', count(*) from (select 1 as one from jobs where finished_at is null and state = 'running'
    and ($1 is null or location_id in (select location_id from key_sees where key_id = $1)) limit $2) as counted
union all
select 'dead', count(*) from (select 1 as one from jobs where state = 'dead'
    and ($1 is null or location_id in (select location_id from key_sees where key_id = $1)) limit $2) as counted
