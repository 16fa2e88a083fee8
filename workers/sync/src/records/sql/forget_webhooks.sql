delete from webhooks
where id in (select id from webhooks where received_at < $1 limit $2)
