delete from erasure_ids where erasure_id = $1 and is_person = 0
