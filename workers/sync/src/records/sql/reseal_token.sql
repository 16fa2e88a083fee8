-- No row where another token is there by now. What stands in it is the same, so its generation stays, and a refresh under way may end.
update tokens
set access = $1, refresh = $2, key_id = $3
where holder = $4 and generation = $5 and key_id = $6
