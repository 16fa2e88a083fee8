update entries set sync = $1 where row_id = $2
