-- Those that the last reading listed; rows of before bear no time.
select field_id, field_key, name, data_type, options
from custom_fields
where location_id = $1
  and coalesce(read_at, 0) = (select max(coalesce(read_at, 0)) from custom_fields where location_id = $1)
order by field_key
