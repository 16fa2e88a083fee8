-- What is owed for the row $3 is owed for the row $1: jobs that wait, and those about which a person has yet to decide. A run that is under way ends
-- by itself.
update jobs
set record_id = $1
where location_id = $2 and record_id = $3
  and kind = 'push_contact'
  and state in ('waiting', 'scheduled', 'dead')
