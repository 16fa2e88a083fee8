-- The list of ledger rows is appended.
update webhooks
set body = '{}'
where job_id in
