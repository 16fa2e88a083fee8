update connections set state = 'uninstalled', updated_at = $1 where location_id = $2 and state <> 'uninstalled'
