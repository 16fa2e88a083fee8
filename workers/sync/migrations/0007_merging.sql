-- What both sides may edit is merged: the state they agreed on last, when each field was edited here, what was written to GHL, and what
-- became of the last write.

alter table contacts add column row_id text; -- never changes; the record id of push jobs
alter table contacts add column clienty_id text; -- the producer's own id
alter table contacts add column base text; -- the last state agreed with GHL; none while there is none there
alter table contacts add column edits text; -- JSON: when each field that GHL does not have yet was edited here
alter table contacts add column prints text; -- JSON: hashes of what was written to each field
alter table contacts add column sync text; -- JSON: how the last write ended
alter table contacts add column intent text; -- what a create is about to send, or sent with an unknown outcome
alter table contacts add column intent_at bigint;

-- Until now contacts were only read.
update contacts set row_id = contact_id;
update contacts set base = doc where deleted_at is null;

create unique index contacts_row on contacts (location_id, row_id);

-- Other ids of a contact: the producer's own, by which it is known before GHL has it and afterwards.
create table contact_aliases (
    location_id text not null,
    alias text not null,
    contact_id text not null,
    primary key (location_id, alias)
);

create index contact_aliases_contact on contact_aliases (location_id, contact_id);

alter table entries add column edits text;
alter table entries add column prints text;
alter table entries add column sync text;

-- Fields that both sides edited, and who won: to look at and to undo.
create table conflicts (
    id text not null primary key, -- uuid v7: sorts by time
    location_id text not null,
    contact_id text not null,
    record text not null, -- contact, task or note
    row_id text not null,
    field text not null,
    base text not null, -- JSON values
    ours text not null,
    theirs text not null,
    winner text not null,
    found_at bigint not null,
    undone_at bigint,
    check (winner in ('clienty', 'ghl'))
);

create index conflicts_location on conflicts (location_id, id);
create index conflicts_contact on conflicts (location_id, contact_id);
