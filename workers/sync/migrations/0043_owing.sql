-- Rows that owe a push: the requeuer looks through them for those that have no job. The conditions are those of its query, word for word, since
-- a partial index serves no other.

create index contacts_owing on contacts (location_id, row_id)
where (deleted_at is null and (base is null or base <> doc)) or (deleted_at is not null and base is not null)
    or intent is not null or asked is not null or asked_at is not null or looks > 0 or (edits is not null and base is not null);

create index entries_owing on entries (row_id)
where (deleted = 0 and (base is null or base <> doc)) or (deleted = 1 and base is not null)
    or intent is not null or ((asked is not null or asked_at is not null) and base is not null) or looks > 0 or (edits is not null and base is not null);
