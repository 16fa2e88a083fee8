-- Not one that is newer than the event: events may come late, and after the next install.
delete from tokens where holder = $1 and obtained_at <= $2 and (expires_at is not null or access is null)
