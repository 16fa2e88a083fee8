-- Which parts of a contact GHL did not give when they were last asked for, and why. A part that is read again leaves.
create table missing_parts (
    location_id text not null,
    contact_id text not null,
    part text not null, -- contact, tasks, notes or appointments
    reason text not null, -- GHL's words, without values
    since bigint not null,
    primary key (location_id, contact_id, part)
);
