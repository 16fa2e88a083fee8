-- What is true of a deployment as a whole, by name: `id` names it among others that share a Redis; `limiter` names the process whose count of calls
-- in memory is the last one.
create table deployment (
    name text not null primary key,
    value text not null
);
