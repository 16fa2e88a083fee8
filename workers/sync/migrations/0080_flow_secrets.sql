-- Secrets that HTTP steps of flows put into headers, sealed by a master key, each for its name.

create table flow_secrets (
    name text not null primary key,
    secret text not null,
    secret_key_id text not null,
    author text not null, -- 'key:ID' or 'cli:USER'
    set_at bigint not null
);
