-- The ids by which repeated events are known. An id is its producer's own, within one location.
create table event_ids (
    event_id text not null,
    location_id text not null,
    producer text not null, -- `key:` and an API key's id, `program:` and a name, or another source as `flow`
    content text not null, -- the hash of what the event said; empty where that was erased: then anything counts as the same
    job_id text not null,
    kind text not null,
    record_id text not null,
    accepted_at bigint not null,
    -- The event's id first: a batch is looked up by it alone.
    primary key (event_id, location_id, producer)
);

create index event_ids_accepted on event_ids (accepted_at);

-- The event's id as it was given, of rows that stand in `event_ids`. `event_id` is null there where a row of another producer has it, since
-- the index `jobs_event` of earlier releases takes it once.
alter table jobs add column given_event_id text;
