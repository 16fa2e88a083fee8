-- The list of ledger rows is appended.
select id, type, body, received_at, result
from webhooks
where job_id in
