delete from erasure_ids
where erasure_id in (
    select erasure_id from erasure_ids
    where not exists (select 1 from erasures where erasures.id = erasure_ids.erasure_id)
    limit $1
)
