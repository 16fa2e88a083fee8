-- No row where another has begun a refresh since, or the token is another by now.
update tokens
set state = $1,
    reason = $2,
    rest_until = $3,
    unsure = $4,
    failures = failures + 1,
    pending_until = null
where holder = $5 and generation = $6 and fence = $7
