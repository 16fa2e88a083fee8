-- What was met of a record while a write of ours had no answer: GHL's state has to be looked at before anything else is believed or sent.

alter table contacts add column looks bigint; -- how many states were met that have to be looked at
alter table contacts add column asked_at bigint; -- when asked was written, in ms since 1970
alter table entries add column looks bigint;
alter table entries add column asked_at bigint;
