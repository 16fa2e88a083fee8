-- What a task, note or appointment owed when its contact went.
select gone_base, gone_deleted, changed_at
from entries
where row_id = $1 and base is null and gone_base is not null
