-- What enrichment has cost, by provider and month and by location and day (UTC). A call's greatest cost is added before the call is sent, in the
-- transaction that also notes the question; what was not charged is taken off again once there is an answer.

create table enrich_spend (
    scope text not null, -- 'provider:NAME' or 'location:ID'
    period text not null, -- '2026-12' or '2026-12-01'
    spent bigint not null, -- millionths of the operator's currency
    calls bigint not null,
    at bigint not null, -- of the last call
    primary key (scope, period)
);

-- The keys of providers, sealed by the vault.
create table enrich_keys (
    provider text not null primary key,
    secret text not null, -- base64
    secret_key_id text not null, -- the master key that sealed it
    connected_at bigint not null
);
