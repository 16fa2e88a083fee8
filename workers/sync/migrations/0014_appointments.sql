-- Appointments are edited on both sides, as tasks and notes are: they become entries. A check can't be changed in place, so the table
-- is made anew.

create table entries_of_all_kinds (
    row_id text not null primary key,
    kind text not null,
    location_id text not null,
    contact_id text not null,
    ghl_id text,
    clienty_id text,
    doc text not null,
    base text,
    intent text,
    intent_at bigint,
    deleted bigint not null default 0,
    revision bigint not null,
    changed_at bigint not null,
    edits text,
    prints text,
    sync text,
    check (kind in ('task', 'note', 'appointment'))
);

insert into entries_of_all_kinds
    (row_id, kind, location_id, contact_id, ghl_id, clienty_id, doc, base, intent, intent_at, deleted, revision, changed_at, edits, prints, sync)
select
    row_id, kind, location_id, contact_id, ghl_id, clienty_id, doc, base, intent, intent_at, deleted, revision, changed_at, edits, prints, sync
from entries;

insert into entries_of_all_kinds (row_id, kind, location_id, contact_id, ghl_id, doc, base, deleted, revision, changed_at)
select
    location_id || '-' || appointment_id,
    'appointment',
    location_id,
    contact_id,
    appointment_id,
    doc,
    case when deleted_at is null then doc end,
    case when deleted_at is null then 0 else 1 end,
    1,
    coalesce(deleted_at, 0)
from appointments;

drop table appointments;
drop table entries;
alter table entries_of_all_kinds rename to entries;

create unique index entries_ghl on entries (kind, location_id, ghl_id);
create unique index entries_clienty on entries (kind, location_id, clienty_id);
create index entries_contact on entries (location_id, contact_id, kind);
