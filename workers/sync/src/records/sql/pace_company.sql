-- The next free moment for a call with the company's token, and takes it. No row where that is too far away to wait for. One after $5 can nobody have
-- taken: the clock was set back since.
update tokens
set next_call_at = case when next_call_at > $1 and next_call_at <= $5 then next_call_at else $1 end + $2
where holder = $3 and (next_call_at <= $4 or next_call_at > $5)
returning next_call_at
