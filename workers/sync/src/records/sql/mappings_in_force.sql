select location_id, version, definition from mappings
