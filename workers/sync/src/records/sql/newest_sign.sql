-- When the records last show that somebody worked.
select max(at)
from (
    select at from marks where name = 'job_started'
    union all
    select changed_at from (select changed_at from changes order by seq desc limit 1) as newest
) as signs
