update contacts set synced_at = $1 where location_id = $2 and row_id = $3
