-- No row where its locations were listed since, or somebody does so now.
update tokens set listed_at = $1 where holder = $2 and state = 'active' and listed_at <= $3
