-- Walks over all of a location: the first import, the sweeps, the comparison of both sides.

create table walks (
    id text not null primary key, -- uuid v7
    location_id text not null,
    purpose text not null,
    phase text not null,
    cursor text, -- JSON, of the phase: where the next run goes on
    page_limit bigint not null, -- contacts that one page asks for
    known_only bigint not null, -- 1: contacts that are not kept here are passed over
    tasks_apart bigint not null default 0, -- 1: the token can't search the location's tasks, so each contact's are read
    pause_ms bigint not null, -- between two batches of details
    next_at bigint not null default 0,
    total bigint, -- contacts, as GHL counts them
    contacts bigint not null default 0,
    tasks bigint not null default 0,
    notes bigint not null default 0,
    appointments bigint not null default 0,
    detailed bigint not null default 0, -- contacts whose notes and appointments were read
    calls bigint not null default 0,
    started_at bigint not null,
    updated_at bigint not null,
    finished_at bigint,
    check (purpose in ('import', 'sweep', 'details', 'verify')),
    check (phase in ('contacts', 'details', 'rest', 'done', 'failed'))
);

-- One at a time marks the contacts that it has seen.
create unique index walks_marking on walks (location_id) where finished_at is null and purpose <> 'details';
create unique index walks_details on walks (location_id) where finished_at is null and purpose = 'details';
create index walks_latest on walks (location_id, purpose, started_at);

alter table contacts add column seen_walk text;

-- Where the two sides differ, by ids and names of fields alone.
create table findings (
    walk_id text not null,
    record text not null,
    record_id text not null,
    contact_id text not null,
    verdict text not null,
    fields text not null, -- JSON
    primary key (walk_id, record, record_id),
    check (verdict in ('missing', 'extra', 'different'))
);
