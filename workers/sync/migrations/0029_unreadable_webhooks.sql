-- Webhooks that GHL signed and that nobody can read, kept apart until they can be looked at. Of whom they speak is not known, so an erasure
-- forgets all of them.

create table unreadable_webhooks (
    id text not null primary key, -- the hash of the body
    body text not null, -- base64, its beginning
    length bigint not null, -- of the whole body, in bytes
    seen bigint not null, -- how often it came
    first_at bigint not null,
    last_at bigint not null
);

create index unreadable_webhooks_age on unreadable_webhooks (last_at);
