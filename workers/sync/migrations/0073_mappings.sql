-- What the fields of contacts are here and in GHL, for each location that has a mapping of its own; '*' holds for all others.

create table mappings (
    location_id text not null primary key, -- or '*'
    version bigint not null,
    toml text not null, -- as its author wrote it
    definition text not null, -- JSON: the same document
    author text not null, -- of the version: key:ID or cli:USER
    created_at bigint not null,
    updated_at bigint not null
);

-- Every version, also of mappings that are deleted.
create table mapping_versions (
    location_id text not null,
    version bigint not null,
    toml text, -- null: it was deleted
    author text not null,
    at bigint not null,
    primary key (location_id, version)
);

-- Counts every change of the two above, so that a process sees by one number whether it knows the mappings in force. Whoever changes one locks it.
create table mapping_counter (
    name text not null primary key,
    changes bigint not null
);

insert into mapping_counter (name, changes) values ('mappings', 0);
