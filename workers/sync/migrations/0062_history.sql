-- The history of records: an entry of the change feed keeps what it took away, and how it came about. What it left behind is told by the next entry, or
-- by the record as it is now.
alter table changes add column was text; -- JSON: what the fields held before, in the order of `fields`, and what fits no field; null where nothing was
alter table changes add column via text; -- one letter, and what it names: records/history/via.rs; null in entries of earlier releases
-- Of the contact alone: PostgreSQL keeps its many entries under one key.
create index changes_contact on changes (contact_id);
-- The last change of which it is forgotten what it took away, and when that was made.
alter table change_counter add column forgotten bigint not null default 0;
alter table change_counter add column forgotten_at bigint not null default 0;
