-- What providers were asked about people, and what they answered. The name of a row tells nothing of the person: it is an HMAC of the provider, the
-- location and the keys that were sent.

create table enrich_cache (
    name text not null primary key,
    provider text not null,
    location_id text not null,
    contact_id text not null, -- for whom it was asked
    state text not null, -- 'asked': no answer yet; 'match', 'miss', 'failed', 'unknown'
    call_id text not null, -- of the last call
    cost bigint not null, -- what is added to enrich_spend for it, in millionths
    sent text not null, -- JSON: the names of the keys that were sent
    answer text, -- JSON: the wanted fields
    confidence bigint,
    asked_at bigint not null,
    expires_at bigint not null -- not asked again before
);

create index enrich_cache_contact on enrich_cache (location_id, contact_id);
create index enrich_cache_expires on enrich_cache (expires_at);
