-- Notices: what happened to the system and to no record, for hooks to send. Ids, names and numbers only. They have a counter of their own,
-- since readers of the feed are promised that its numbers have no gap.

create table notices (
    seq bigint not null primary key,
    event text not null, -- as job.died
    location_id text, -- none for what concerns no single location
    contact_id text,
    record text not null, -- what kind of thing it is about
    record_id text not null, -- which one
    details text not null, -- JSON
    caused_by text, -- the job
    key_id text, -- the API key whose event led to it
    at bigint not null
);

create index notices_at on notices (at);

create table notice_counter (
    one bigint not null primary key,
    last bigint not null,
    check (one = 1)
);

insert into notice_counter (one, last) values (1, 0);
insert into hook_pump (name, last_seq) values ('notices', 0);
alter table hooks add column from_notice bigint not null default 0; -- only later notices are sent

-- What was last reported of a location, so that each turn is reported once, by whichever process sees it first.
alter table location_activity add column broken_at bigint; -- its circuit is open since
alter table location_activity add column quota_low_on text; -- the day on which few calls were left
