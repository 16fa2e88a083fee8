-- Only what neither side owes anything for.
delete from entries
where row_id in (
    select row_id from entries
    where deleted = 1 and base is null and intent is null and changed_at < $1
    limit $2
)
