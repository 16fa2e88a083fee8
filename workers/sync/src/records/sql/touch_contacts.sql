-- The list of contact ids is appended.
update contacts
set synced_at = coalesce($1, synced_at), seen_walk = coalesce($2, seen_walk)
where location_id = $3
  and contact_id in
