delete from unreadable_webhooks
where id in (select id from unreadable_webhooks where last_at < $1 limit $2)
