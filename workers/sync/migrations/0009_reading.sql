-- Reading over time: what the feed no longer holds, what was deleted, and whose data was erased.

alter table change_counter add column pruned bigint not null default 0; -- numbers up to this one are no longer kept
alter table change_counter add column erasures bigint not null default 0; -- ever; none means that nobody has to be asked for

alter table appointments add column deleted_at bigint;

-- Receipts. While lifted_at is null, nothing of the contact is stored again.
create table erasures (
    id text not null primary key,
    location_id text not null,
    contact_id text not null,
    erased text not null, -- JSON: how many rows of which table
    erased_at bigint not null,
    lifted_at bigint -- when a producer asked for the contact anew
);

create unique index erasures_in_force on erasures (contact_id, location_id) where lifted_at is null;
