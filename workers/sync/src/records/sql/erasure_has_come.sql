-- The person is known by the id that was waited for, and what was kept under it is to be erased.
update erasures set awaits = null, pending = 1 where id = $1
