-- OAuth installs that have come back, until their states expire. Those that were begun have no rows: `installs` is no longer written.
create table spent_installs (
    nonce text not null primary key,
    expires_at bigint not null
);
