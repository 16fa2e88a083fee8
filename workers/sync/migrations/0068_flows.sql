-- Flows that people change: each with its versions, and whether it starts runs. Those of files are not here.

create table flows (
    name text not null primary key,
    version bigint not null,
    state text not null, -- 'enabled', or 'disabled': it starts no run
    state_why text, -- why it is disabled
    state_at bigint not null,
    toml text not null, -- as its author wrote it
    definition text not null, -- JSON: the same document
    every_location bigint not null, -- 0: only those of flow_places
    author text not null, -- of the version: key:ID or cli:USER
    created_at bigint not null,
    updated_at bigint not null,
    check (state in ('enabled', 'disabled'))
);

-- The locations of flows that name some: a key that does not see all of them does not see the flow.
create table flow_places (
    flow text not null,
    location_id text not null,
    primary key (flow, location_id)
);

-- Every version, also of flows that are deleted.
create table flow_versions (
    flow text not null,
    version bigint not null,
    toml text, -- null: it was deleted
    author text not null,
    at bigint not null,
    primary key (flow, version)
);

-- Counts every change of the two above, so that a process sees by one number whether it knows the flows in force. Whoever changes one locks it.
create table flow_counter (
    name text not null primary key,
    changes bigint not null
);

insert into flow_counter (name, changes) values ('flows', 0);

alter table flow_runs add column version bigint; -- of the flow; null of a file
alter table flow_runs add column stopped_by text; -- who ended it before its end

-- Runs are listed by location, newest first.
create index flow_runs_location on flow_runs (location_id, id);
