select name from api_keys where id = $1
