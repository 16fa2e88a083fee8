-- Webhooks as GHL sent them: what was taken already, for as long as it may come again, and what it said.

create table webhooks (
    id text not null primary key, -- GHL's webhookId, or the hash of a body that has none
    type text not null,
    location_id text,
    result text not null,
    body text not null,
    job_id text, -- the ledger row it led to
    received_at bigint not null,
    check (result in ('accepted', 'stale', 'echo', 'refused'))
);

create index webhooks_received on webhooks (received_at);
-- A run asks what brought it about.
create index webhooks_job on webhooks (job_id) where job_id is not null;
