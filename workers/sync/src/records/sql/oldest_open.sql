-- Since when the longest waiting row could run: from its acceptance, or from its due time. Rows that are put off do not count.
select min(coalesce(due_at, created_at))
from jobs
where finished_at is null
  and coalesce(due_at, created_at) <= $1
