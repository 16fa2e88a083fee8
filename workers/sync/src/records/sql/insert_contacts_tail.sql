on conflict do nothing
returning contact_id
