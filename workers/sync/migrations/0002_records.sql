-- The records that the jobs keep equal with GHL.

create table contacts (
    location_id text not null,
    contact_id text not null,
    doc text not null,
    search text not null, -- name, e-mail and phone in lower case
    date_updated bigint not null,
    synced_at bigint not null, -- last time GHL's answer was stored, changed or not
    changed_at bigint not null,
    deleted_at bigint,
    revision bigint not null,
    primary key (location_id, contact_id)
);

-- Tasks and notes: what both sides may edit.
create table entries (
    row_id text not null primary key,
    kind text not null,
    location_id text not null,
    contact_id text not null,
    ghl_id text, -- none until it was created there
    clienty_id text, -- none for one that began in GHL
    doc text not null, -- as readers see it
    base text, -- the last state agreed with GHL; none while there is none there
    intent text, -- what a create is about to send, or sent with an unknown outcome
    intent_at bigint,
    deleted bigint not null default 0,
    revision bigint not null,
    changed_at bigint not null,
    check (kind in ('task', 'note'))
);

-- Nulls differ from each other, in both databases.
create unique index entries_ghl on entries (kind, location_id, ghl_id);
create unique index entries_clienty on entries (kind, location_id, clienty_id);
create index entries_contact on entries (location_id, contact_id, kind);

create table appointments (
    location_id text not null,
    appointment_id text not null,
    contact_id text not null,
    doc text not null,
    primary key (location_id, appointment_id)
);

create index appointments_contact on appointments (location_id, contact_id);

-- The change feed. Its numbers come from the one row of change_counter, taken as a transaction's last step: the row's
-- lock orders the commits, so a reader never sees number 8 before number 7. A sequence would not promise that.
create table changes (
    seq bigint not null primary key,
    location_id text not null,
    contact_id text not null,
    record text not null,
    record_id text not null,
    op text not null,
    changed_at bigint not null
);

create table change_counter (last bigint not null);
insert into change_counter (last) values (0);
