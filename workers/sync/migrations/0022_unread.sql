-- Fields of a contact whose value GHL has not shown yet: a list of names, null for none.
alter table contacts add column unread text;
-- What a comparison could not compare: how many contacts, by field.
alter table walks add column uncompared text;
