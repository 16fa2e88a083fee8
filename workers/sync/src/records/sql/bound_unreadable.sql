delete from unreadable_webhooks
where last_at < (select min(last_at) from (select last_at from unreadable_webhooks order by last_at desc limit $1) as newest)
