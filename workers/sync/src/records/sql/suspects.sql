-- The keys of open rows that were killed $1 times or more, and have not ended a run since.
select kind, location_id, record_id, min(priority)
from jobs
where finished_at is null and kills >= $1
group by kind, location_id, record_id
order by kind, location_id, record_id
