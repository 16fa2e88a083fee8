-- The newest event of GHL's that told a contact to be as it was known already, in ms since 1970: an older one tells nothing new.
alter table contacts add column heard_at bigint;
