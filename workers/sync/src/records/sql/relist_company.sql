update tokens set listed_at = 0 where holder = $1
