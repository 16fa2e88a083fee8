-- As `feed_horizon`, of the history.
select
    coalesce((select seq - 1 from changes where seq > forgotten and changed_at >= $1 order by seq limit 1), last) as horizon,
    pruned,
    forgotten
from change_counter
