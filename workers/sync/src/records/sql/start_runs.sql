-- Takes every open row of the keys that no newer run holds. The keys and their epochs are appended, and then how their rows are found.
with wanted (kind, location_id, record_id, epoch) as (values
