-- How often in a row the one process over this database was killed while the row ran. Where the queue is in memory, nothing else remembers.
alter table jobs add column kills bigint not null default 0;
