select last, erasures from change_counter
