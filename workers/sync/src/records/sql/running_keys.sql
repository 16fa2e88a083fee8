-- The keys whose rows run, each with how often it was killed before, at most two: whether one ran alone is all that matters.
select kind, location_id, record_id, max(kills)
from jobs
where finished_at is null and state = 'running'
group by kind, location_id, record_id
order by kind, location_id, record_id
limit 2
