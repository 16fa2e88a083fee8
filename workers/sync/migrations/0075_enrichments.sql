-- What enrichment wrote into contacts, field by field: where each value came from, and for how long it is taken for true.

create table enrichments (
    location_id text not null,
    contact_id text not null,
    field text not null, -- of the contact; a custom field by its id
    provider text not null,
    value text not null, -- JSON: as it was written
    confidence bigint, -- of 1,000; null where the provider says none
    at bigint not null,
    expires_at bigint not null, -- the provider is not asked again before
    primary key (location_id, contact_id, field)
);
