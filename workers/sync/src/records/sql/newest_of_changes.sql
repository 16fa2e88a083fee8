-- When the last of the changes with numbers from after $1 up to $2 was made.
select max(changed_at) from changes where seq > $1 and seq <= $2
