-- $1: the time before which it is old. $2, $3: the ids after the first and up to the second one are looked at.
delete from jobs
where id > $2 and id <= $3
  and state = 'done' and finished_at < $1
