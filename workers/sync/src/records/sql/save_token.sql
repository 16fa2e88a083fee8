-- A new login, over whatever was there.
insert into tokens (holder, access, refresh, key_id, obtained_at, expires_at, scopes, missing_scopes, state, generation)
values ($1, $2, $3, $4, $5, $6, $7, $8, 'active', 1)
on conflict (holder) do update
set access = excluded.access,
    refresh = excluded.refresh,
    key_id = excluded.key_id,
    obtained_at = excluded.obtained_at,
    expires_at = excluded.expires_at,
    scopes = excluded.scopes,
    missing_scopes = excluded.missing_scopes,
    state = 'active',
    reason = null,
    generation = tokens.generation + 1,
    fence = tokens.fence + 1,
    pending_until = null,
    unsure = 0,
    after_refusal = 0,
    failures = 0,
    rest_until = null
