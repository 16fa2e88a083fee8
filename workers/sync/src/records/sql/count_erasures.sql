select erasures from change_counter
