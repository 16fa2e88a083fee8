-- By the indexes of open and of dead rows: what is done is not read.
select state, count(*) from jobs where finished_at is null group by state
union all
select 'dead', count(*) from jobs where state = 'dead'
