-- When GHL last listed the field, in ms since 1970: what the last reading lacks is gone there, and its key may lead to another field by now.
alter table custom_fields add column read_at bigint;
