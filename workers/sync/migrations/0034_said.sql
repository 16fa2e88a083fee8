-- What the program says of a change and of a job: how far GHL has it, where it came from, who decided.

alter table changes add column clienty_id text; -- the producer's id of the record
alter table changes add column ghl_id text; -- GHL's id of the record, once there is one
alter table changes add column origin text; -- ghl, clienty, flow or enrichment
alter table changes add column fields text; -- JSON: the names of the fields that changed
alter table changes add column sync text; -- how far GHL has the record after the change
alter table changes add column caused_by text; -- the job that the change belongs to

alter table jobs add column outcome text; -- of a push: applied, partlyApplied or refused
alter table jobs add column unapplied text; -- JSON: the names of the fields that GHL holds otherwise than asked
-- A job that an operator discarded or cancelled keeps the state 'done' in the column: earlier releases know no other.
alter table jobs add column discarded_at bigint;
alter table jobs add column discarded_by text;
alter table jobs add column discarded_why text;

create index jobs_discarded on jobs (discarded_at) where discarded_at is not null;
