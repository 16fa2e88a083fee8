-- By every id of the person. The list of ids is appended.
select location_id, contact_id
from (
    select location_id, contact_id from erasures where lifted_at is null
    union
    select erasures.location_id, erasure_ids.id
    from erasures join erasure_ids on erasure_ids.erasure_id = erasures.id
    where erasures.lifted_at is null and erasure_ids.is_person = 1
) as held
where contact_id in
