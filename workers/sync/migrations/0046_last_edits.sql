-- Who created a contact: clienty or ghl; none for rows of before, where a contact with an id of Clienty's counts as Clienty's.
alter table contacts add column created_by text;
-- JSON: when and by whom each field was edited last, as far as it is known.
alter table contacts add column last_edits text;
alter table entries add column last_edits text;
-- When a side edited the field that both edited; none where it is not known.
alter table conflicts add column ours_at bigint;
alter table conflicts add column theirs_at bigint;
