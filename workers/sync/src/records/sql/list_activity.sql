select location_id, last_success_at, last_webhook_at from location_activity
