-- What an update asked of GHL that was never answered, by field.
alter table contacts add column asked text;
alter table entries add column asked text;
