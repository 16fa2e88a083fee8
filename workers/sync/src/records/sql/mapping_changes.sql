select changes from mapping_counter where name = 'mappings'
