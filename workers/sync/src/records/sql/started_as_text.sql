-- Runs of earlier releases keep what started them as a text.
select count(*) from flow_runs where location_id = $1 and flow = $2 and occasion = $3
