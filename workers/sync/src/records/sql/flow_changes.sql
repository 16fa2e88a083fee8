select changes from flow_counter where name = 'flows'
