-- The list of ledger rows is appended.
select id, type, body, received_at, result, job_id
from webhooks
where job_id in
