-- The rows to insert are appended.
insert into changes (
    seq, location_id, contact_id, record, record_id, op, changed_at, clienty_id, ghl_id, origin, fields, sync, caused_by, is_new, key_id, was, via
)
values
