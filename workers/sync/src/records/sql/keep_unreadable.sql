insert into unreadable_webhooks (id, body, length, seen, first_at, last_at)
values ($1, $2, $3, 1, $4, $4)
on conflict (id) do update set seen = unreadable_webhooks.seen + 1, last_at = excluded.last_at
returning seen, first_at
