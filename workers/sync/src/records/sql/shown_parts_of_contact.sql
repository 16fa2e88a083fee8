select kind, row_id, doc, deleted as was_deleted from entries where location_id = $1 and contact_id = $2 and deleted = 0 order by row_id
