-- Runs that each flow has begun since $1, and of these those since $2. The expression keeps SQLite from going through all runs by the index of flows.
select min(flow) as flow, count(*) as runs, sum(case when started_at >= $2 then 1 else 0 end) as recent
from flow_runs
where started_at >= $1
group by flow || ''
