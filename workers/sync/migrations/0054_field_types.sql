-- What a custom field holds says how two of its values compare. A contact's row is read with the kinds of its location, so they are kept with that in one
-- text: a letter and the id of each.
alter table custom_fields add column data_type text;
alter table connections add column field_kinds text;
