-- What a sweep finds is a trigger, and a sweep reads only the contacts that changed since the last one; a full walk, now and then, reads all.
-- A check can't be changed in place, so the table is made anew.

create table walks_with_triggers (
    id text not null primary key, -- uuid v7
    location_id text not null,
    purpose text not null,
    phase text not null,
    cursor text, -- JSON, of the phase: where the next run goes on
    page_limit bigint not null, -- contacts that one page asks for
    known_only bigint not null, -- 1: contacts that are not kept here are passed over
    tasks_apart bigint not null default 0, -- 1: the token can't search the location's tasks, so each contact's are read
    pause_ms bigint not null, -- between two batches of details, or two full pages of contacts
    next_at bigint not null default 0,
    total bigint, -- contacts, as GHL counts them
    contacts bigint not null default 0,
    tasks bigint not null default 0,
    notes bigint not null default 0,
    appointments bigint not null default 0,
    detailed bigint not null default 0, -- contacts whose notes and appointments were read
    calls bigint not null default 0,
    found bigint not null default 0, -- triggers
    since_at bigint, -- contacts that changed before it are not read
    created_after bigint, -- contacts that GHL created since then may be news
    reached_at bigint, -- the date of change of the last contact that was read
    reached text, -- JSON: where a walk goes on after that contact
    started_at bigint not null,
    updated_at bigint not null,
    finished_at bigint,
    check (purpose in ('import', 'sweep', 'full', 'details', 'verify')),
    check (phase in ('contacts', 'details', 'rest', 'done', 'failed'))
);

insert into walks_with_triggers
    (id, location_id, purpose, phase, cursor, page_limit, known_only, tasks_apart, pause_ms, next_at, total, contacts, tasks, notes, appointments,
     detailed, calls, started_at, updated_at, finished_at)
select
    id,
    location_id,
    case purpose when 'sweep' then 'full' else purpose end, -- so far each read all
    phase, cursor, page_limit, known_only, tasks_apart, pause_ms, next_at, total, contacts, tasks, notes, appointments,
    detailed, calls, started_at, updated_at, finished_at
from walks;

drop table walks;
alter table walks_with_triggers rename to walks;

-- One at a time marks the contacts that it has seen. What reads only changes marks none, and is not held up by one that takes its time.
create unique index walks_marking on walks (location_id) where finished_at is null and purpose in ('import', 'full', 'verify');
create unique index walks_alone on walks (location_id, purpose) where finished_at is null;
create index walks_latest on walks (location_id, purpose, started_at);
