-- What it was about is forgotten, as at every end.
update flow_runs set outcome = 'discarded', knows = '{}', ended_at = $2, stopped_by = $3
where id = $1 and outcome is null and ($4 is null or location_id in (select location_id from key_sees where key_id = $4))
returning flow, location_id
