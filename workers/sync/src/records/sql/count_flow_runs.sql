-- Of the locations that the key $1 sees.
select flow, coalesce(case when stopped_by is null then outcome else 'stopped' end, 'underWay') as standing, count(*) as runs
from flow_runs
where ($1 is null or location_id in (select location_id from key_sees where key_id = $1))
group by 1, 2
