-- $3 is how the ids of the rule's tasks for the contact begin.
select count(*)
from entries
where location_id = $1 and contact_id = $2 and kind = 'task' and substr(clienty_id, 1, length($3)) = $3
