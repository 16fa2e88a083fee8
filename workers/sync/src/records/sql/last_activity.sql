-- $1: how long after a mark other runs began without one. Rows of a process of an earlier version, which leaves no mark, are looked at themselves.
select max(at)
from (
    select at + $1 as at from marks where name = 'job_started'
    union all
    select max(started_at) from jobs where finished_at is null
    union all
    select max(started_at) from (select started_at from jobs order by id desc limit 1000) as newest
) as known
