-- How many runs flows have begun of late is counted without a look at older ones.
create index flow_runs_started on flow_runs (started_at, flow);
