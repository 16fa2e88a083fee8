-- One row that is written to learn whether the database takes writes (GET /readyz).
create table write_checks (
    id bigint primary key,
    checked_at bigint not null
);
