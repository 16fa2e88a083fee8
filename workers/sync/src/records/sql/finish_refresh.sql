-- By generation and not by fence: the pair that came for a refresh token is newer than what still holds that token, however late
-- it comes.
update tokens
set access = $1,
    refresh = $2,
    key_id = $3,
    obtained_at = $4,
    expires_at = $5,
    scopes = coalesce($6, scopes),
    missing_scopes = $7,
    state = 'active',
    reason = null,
    generation = generation + 1,
    pending_until = null,
    unsure = 0,
    after_refusal = $8,
    failures = 0,
    rest_until = null
where holder = $9 and generation = $10
