-- The expression keeps SQLite from going through all changes by the index of contacts.
select distinct contact_id || '' as contact_id from changes where seq > $1 and location_id = $2
