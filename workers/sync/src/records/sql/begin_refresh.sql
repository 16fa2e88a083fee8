-- No row where somebody refreshes already, or has. A refresh that nobody ended may have spent the refresh token. Who would hold it for longer than to $5
-- began by a clock that was set back since.
update tokens
set fence = fence + 1,
    unsure = case when pending_until is null then unsure else 1 end,
    pending_until = $1
where holder = $2
    and generation = $3
    and state = 'active'
    and (pending_until is null or pending_until < $4 or pending_until > $5)
returning fence
