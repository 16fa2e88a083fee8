select contact_id, ghl_id, clienty_id from entries where location_id = $1 and row_id = $2
