-- The ledger: one row for every accepted event. A row is open, so work is owed, while finished_at is null.
--
-- One text serves SQLite and PostgreSQL: columns are text or bigint, times are milliseconds since 1970 UTC,
-- JSON documents are text. A migration that was released is never edited; the next number changes it.

create table jobs (
    id text not null primary key, -- uuid v7: sorts by the time of acceptance
    source text not null,
    event_id text,
    event_type text not null,
    kind text not null,
    location_id text not null,
    record_id text not null,
    priority bigint not null,
    state text not null default 'waiting',
    epoch bigint not null default 0, -- of the run that holds the row, or held it last
    attempts bigint not null default 0,
    last_error text,
    data text not null,
    created_at bigint not null,
    due_at bigint,
    started_at bigint,
    finished_at bigint,
    check (state in ('waiting', 'scheduled', 'running', 'done', 'dead')),
    check ((finished_at is null) = (state in ('waiting', 'scheduled', 'running')))
);

-- The same event from the same source is accepted once. Event first: a batch is looked up by event id alone.
create unique index jobs_event on jobs (event_id, source) where event_id is not null;

-- A run finds every open row of its key; the sweeper walks the keys in this order.
create index jobs_open on jobs (kind, location_id, record_id) where finished_at is null;

create index jobs_state on jobs (state, id);
create index jobs_started on jobs (started_at);
create index jobs_finished on jobs (state, finished_at);
