-- What an API key may do, where and until when, and which secrets open it.

alter table api_keys add column roles text; -- words, commas between; null: of before there were roles, which is producer and reader
alter table api_keys add column every_location bigint not null default 1; -- 0: only those that key_sees has
alter table api_keys add column reads_people bigint not null default 1; -- 0: ids and states, no names and values
alter table api_keys add column created_by text;
alter table api_keys add column expires_at bigint;
alter table api_keys add column last_used_at bigint; -- to the hour

create table key_places (
    key_id text not null,
    kind text not null, -- location, or agency: every location that it has installed
    place text not null, -- GHL's id of either
    primary key (key_id, kind, place),
    check (kind in ('location', 'agency'))
);

-- The locations of keys that do not see every one. A question of a key is filtered by
-- `$n is null or location_id in (select location_id from key_sees where key_id = $n)`, where null stands for every location.
create view key_sees as
select key_id, place as location_id
from key_places
where kind = 'location'
union
select key_places.key_id, connections.location_id
from key_places
join connections on connections.company_id = key_places.place
where key_places.kind = 'agency' and connections.state <> 'uninstalled';

-- The secrets of a key: one, and after a rotation the one before for a while. A process of an earlier release knows only api_keys.hash, which
-- no secret of a newer key has: it would let such a key do everything everywhere.
create table key_secrets (
    key_id text not null,
    hash text not null, -- SHA-256, base64url
    created_at bigint not null,
    ends_at bigint,
    primary key (key_id, hash)
);
