-- The country of a location (ISO 3166): GHL puts its calling code before a national phone.
alter table connections add column country text;
