select id, type, body, received_at, result from webhooks where id = $1
