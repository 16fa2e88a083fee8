-- Up to when the history is forgotten. Where the feed was forgotten further than that, by an earlier release, the oldest entry tells.
select
    case when pruned > forgotten then coalesce((select changed_at from changes order by seq limit 1), $1) else forgotten_at end as forgotten_at
from change_counter
