select name, version, definition from flows where state = 'enabled' order by name
