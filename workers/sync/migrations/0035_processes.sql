-- The processes that work over this database, and what was last heard of each location.

create table processes (
    id text not null primary key,
    role text not null, -- up, gateway, worker or demo
    version text not null,
    host text not null,
    pid bigint not null,
    flows text not null, -- a hash of the flows that it has loaded
    master_keys text not null, -- JSON: the ids of its master keys, newest first
    queue text not null, -- where its queue is, without user or password
    started_at bigint not null,
    seen_at bigint not null
);

-- Written at most every half minute by a process.
create table location_activity (
    location_id text not null primary key,
    last_success_at bigint, -- a job of the location was done
    last_webhook_at bigint -- GHL sent a webhook of the location
);
