-- The list of their events' ids is appended.
select id, event_id, state from jobs where source = 'flow' and event_id in
