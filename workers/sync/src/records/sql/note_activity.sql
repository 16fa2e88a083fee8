insert into location_activity (location_id, last_success_at, last_webhook_at)
values ($1, $2, $3)
on conflict (location_id) do update
set last_success_at = coalesce(excluded.last_success_at, location_activity.last_success_at),
    last_webhook_at = coalesce(excluded.last_webhook_at, location_activity.last_webhook_at)
