-- Each state apart, so that the index of states is read and the done rows are not.
select state, count(*)
from jobs
where state in ('waiting', 'scheduled', 'running', 'dead')
group by state
