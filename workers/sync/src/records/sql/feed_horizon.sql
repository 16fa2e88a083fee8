-- The last number that nobody needs any more: the one before the first change that is not older than $1.
select
    coalesce((select seq - 1 from changes where seq > pruned and changed_at >= $1 order by seq limit 1), last) as horizon,
    pruned,
    forgotten
from change_counter
