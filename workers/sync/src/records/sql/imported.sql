-- Whether an import is under way, when the last one began, and when the location was connected.
select
    (select count(*) from walks where location_id = $1 and purpose = 'import' and finished_at is null) as importing,
    (select max(started_at) from walks where location_id = $1 and purpose = 'import') as imported_at,
    (select created_at from connections where location_id = $1) as connected_at
