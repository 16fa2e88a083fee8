-- Of the listed webhooks, those that were taken up to the time $1. The list is appended.
select id
from webhooks
where received_at <= $1 and id in
