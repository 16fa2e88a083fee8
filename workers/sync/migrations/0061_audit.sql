-- What was done, and by whom. Each row is written in the transaction of the act, and holds the hash of itself and of the row before.
-- That rows are neither changed nor deleted is held by triggers, which each database writes in its own words: records/audit/guard.rs.

create table audit (
    seq bigint not null primary key, -- from 1 on, without a gap
    at bigint not null,
    actor_kind text not null, -- key, cli or system
    actor text not null, -- the id of a key, the name of a user
    action text not null,
    target text, -- the id of what it was done to
    location_id text, -- none for what concerns no single location
    request_id text,
    outcome text not null, -- done or failed
    details text not null, -- JSON: ids, names and numbers; never a value of a record
    hash text not null -- SHA-256, base64url
);

create index audit_action on audit (action, seq);

-- Both ends of the chain: the newest row, and the last of those that retention took from the beginning.
create table audit_ends (
    one bigint not null primary key,
    seq bigint not null,
    hash text not null,
    forgotten_seq bigint not null,
    forgotten_hash text not null,
    check (one = 1)
);

insert into audit_ends (one, seq, hash, forgotten_seq, forgotten_hash) values (1, 0, '', 0, '');
