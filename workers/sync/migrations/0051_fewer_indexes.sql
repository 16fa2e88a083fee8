-- A run moves its row from waiting to running to done, and each index over what it changes costs two entries a run. Three of them served questions
-- that people ask now and then, and counted or sorted rows that are done; what they still need is asked otherwise.

create table marks (
    name text not null primary key,
    at bigint not null
);

insert into marks (name, at)
select 'job_started', started_at
from jobs
where started_at is not null
order by started_at desc
limit 1;

drop index jobs_state;
drop index jobs_started;
drop index jobs_finished;

-- Dead rows are few among those that are done, and are asked for by key, and all of them.
create index jobs_dead on jobs (kind, location_id, record_id) where state = 'dead';
