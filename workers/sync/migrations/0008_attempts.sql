-- What became of each attempt that failed, for the person who looks at a dead job.

create table job_attempts (
    job_id text not null references jobs (id) on delete cascade,
    epoch bigint not null, -- of the run that failed
    attempt bigint not null, -- from 1; from 1 again after a person revived the job
    failed_at bigint not null,
    error text not null,
    primary key (job_id, epoch)
);
