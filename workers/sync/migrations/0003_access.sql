-- Who may be called, and who may call.

create table connections (
    location_id text not null primary key,
    kind text not null,
    token text not null, -- sealed by the vault, base64
    key_id text not null, -- the master key that sealed it
    name text,
    time_zone text,
    state text not null,
    created_at bigint not null,
    updated_at bigint not null,
    check (kind in ('pit', 'oauth'))
);

create table api_keys (
    id text not null primary key,
    name text not null,
    hash text not null, -- SHA-256 of the secret part, base64url
    created_at bigint not null,
    revoked_at bigint
);
