-- The list of holders is appended.
select holder, access, refresh, key_id, obtained_at, expires_at, scopes, missing_scopes, state, reason, generation, fence,
    pending_until, unsure, after_refusal, failures, rest_until
from tokens
where holder in
