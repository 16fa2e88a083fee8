-- What the pump wrote while its hook was deleted.
delete from hook_deliveries
where (hook_id, seq) in (
    select hook_id, seq
    from hook_deliveries
    where state = 'open' and hook_id not in (select id from hooks)
    limit $1
)
