-- Numbers the changes and stores them while the counter is locked, in one statement; none where anybody's data was ever erased, since the writer
-- then has a question before.
with counter as (
    update change_counter set last = last + $1 returning last, erasures
)
insert into changes (
    seq, location_id, contact_id, record, record_id, op, changed_at, clienty_id, ghl_id, origin, fields, sync, caused_by, is_new, key_id, was, via
)
select
    counter.last - $1 + change.place, change.location_id, change.contact_id, change.record, change.record_id, change.op, $2,
    change.clienty_id, change.ghl_id, change.origin, change.fields, change.sync, change.caused_by, change.is_new, change.key_id, change.was,
    change.via
from counter
    cross join json_to_recordset(cast($3 as json)) as change (
        place bigint, location_id text, contact_id text, record text, record_id text, op text, clienty_id text, ghl_id text, origin text,
        fields text, sync text, caused_by text, is_new bigint, key_id text, was text, via text
    )
where counter.erasures = 0
