select flow, coalesce(outcome, 'underWay') as standing, count(*) as runs from flow_runs group by flow, coalesce(outcome, 'underWay')
