-- Every row that may hold a person's data names the person, so that an erasure finds it whatever else was forgotten before.

-- The contact that the row is about, by the id that it was known by then. Older rows have none: an erasure finds those by what they hold.
alter table jobs add column contact_id text;
alter table webhooks add column contact_id text;

-- 1: the erasure has yet to empty rows of the ledger and of the webhooks.
alter table erasures add column pending bigint not null default 0;

-- Every id of an erased person, by which the erasure holds, and until it is complete those of the person's records.
create table erasure_ids (
    erasure_id text not null,
    location_id text not null,
    id text not null,
    is_person bigint not null, -- 0: the row id of a record
    primary key (id, location_id, erasure_id)
);

create index erasure_ids_erasure on erasure_ids (erasure_id);

-- When the contact was forgotten; the alias stays for as long as the ledger has rows by that id.
alter table contact_aliases add column orphaned_at bigint;

-- Retention finds what is old without a scan.
create index flow_runs_ended on flow_runs (started_at) where outcome is not null;
create index conflicts_found on conflicts (found_at);
create index contact_aliases_orphaned on contact_aliases (orphaned_at) where orphaned_at is not null;
create index walks_finished on walks (finished_at) where finished_at is not null;
create index erasures_lifted on erasures (lifted_at) where lifted_at is not null;
