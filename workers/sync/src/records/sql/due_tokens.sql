-- Those that expire before $2, or were never fetched, and that nobody is refreshing. What lies after $5 and $6, behind which no lease and no rest
-- ends, is of a clock that was set back since.
select holder, access, refresh, key_id, obtained_at, expires_at, scopes, missing_scopes, state, reason, generation, fence,
    pending_until, unsure, after_refusal, failures, rest_until
from tokens
where holder > $1
    and state = 'active'
    and (access is null or expires_at < $2)
    and (pending_until is null or pending_until < $3 or pending_until > $5)
    and (rest_until is null or rest_until < $3 or rest_until > $6)
order by holder
limit $4
