-- The next free moment for a call with the company's token, and takes it. No row where that is too far away to wait for.
update tokens
set next_call_at = case when next_call_at > $1 then next_call_at else $1 end + $2
where holder = $3 and next_call_at <= $4
returning next_call_at
