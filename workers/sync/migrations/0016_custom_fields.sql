-- What the custom fields of locations are called: contacts name them by id, people by key.
create table custom_fields (
    location_id text not null,
    field_id text not null,
    field_key text not null, -- without `contact.`
    primary key (location_id, field_id)
);
