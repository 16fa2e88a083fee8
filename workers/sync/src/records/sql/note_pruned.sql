update change_counter set pruned = $1 where pruned < $1
