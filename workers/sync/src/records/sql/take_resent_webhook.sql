-- Takes a known webhook once more; nothing where another process did so first.
update webhooks
set result = $1, body = $2, job_id = $3, received_at = $4, contact_id = coalesce($7, contact_id)
where id = $5 and received_at <= $6
