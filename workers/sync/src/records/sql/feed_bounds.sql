select last, pruned from change_counter
