-- Hooks: who wants to hear of changes over HTTP, and what each of them has yet to hear. Ids only: what is sent is read when it is sent.

alter table changes add column is_new bigint; -- 1: the record was not known before the change; null in entries of earlier releases
alter table changes add column key_id text; -- the API key whose event made the change

create table hooks (
    id text not null primary key,
    url text not null,
    kind text not null, -- 'webhook', or 'rest': a subscription of Zapier and the like, which goes with the first 410
    events text not null, -- JSON: filters, as contact.*
    locations text, -- JSON: ids of locations; null for all
    fields text, -- JSON: names of fields without one of which an update is not told; null for all
    signature text not null, -- 'v1' or 'v1a'
    secret text not null, -- sealed by the vault, base64
    secret_key_id text not null, -- the master key that sealed it
    old_secret text, -- signs beside the other one until old_secret_until
    old_secret_key_id text,
    old_secret_until bigint,
    ignore_own bigint not null, -- 1: what its own key's events change is not told
    include_imports bigint not null, -- 1: what an import finds is told
    key_id text, -- the API key that made it; null where an operator did
    created_by text not null,
    description text,
    state text not null, -- 'active' or 'disabled'
    disabled_why text,
    disabled_at bigint,
    from_seq bigint not null, -- only later changes are told
    last_seq bigint, -- the last change that it was to hear of
    failing_since bigint, -- no delivery has succeeded since
    last_success_at bigint,
    created_at bigint not null
);

create index hooks_key on hooks (key_id);

-- The locations of hooks that name some, once more: a key that does not see all of them does not see the hook.
create table hook_places (
    hook_id text not null,
    location_id text not null,
    primary key (hook_id, location_id)
);

-- How far the feed was looked through for them. Whoever goes on locks the row.
create table hook_pump (
    name text not null primary key,
    last_seq bigint not null
);

insert into hook_pump (name, last_seq) values ('feed', 0);

-- A change that a hook is to hear of. Open ones of one record are one message.
create table hook_deliveries (
    hook_id text not null,
    seq bigint not null, -- of the change
    previous bigint, -- the change before it that the hook was to hear of
    event text not null,
    location_id text not null,
    contact_id text not null,
    contact_key text not null, -- the row id of the contact, under which messages keep their order: it never changes
    record text not null,
    record_id text not null,
    state text not null, -- 'open', 'sent', 'failed' or 'dropped'
    message bigint, -- the sequence of the message that it was last part of
    attempts bigint not null default 0,
    status bigint, -- of the last answer
    error text,
    took_ms bigint,
    tried_at bigint,
    next_at bigint, -- an open one waits until then
    ended_at bigint,
    created_at bigint not null,
    primary key (hook_id, seq)
);

create index hook_deliveries_open on hook_deliveries (hook_id, contact_key, seq) where state = 'open';
create index hook_deliveries_ended on hook_deliveries (ended_at) where ended_at is not null;
