-- What users of GHL see of a custom field, and what a choice may be there: a list of JSON.
alter table custom_fields add column name text;
alter table custom_fields add column options text;
