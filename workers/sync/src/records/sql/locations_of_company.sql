select location_id from connections where company_id = $1 and state != 'uninstalled' order by location_id
