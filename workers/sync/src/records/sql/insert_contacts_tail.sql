on conflict do nothing
returning location_id, contact_id
