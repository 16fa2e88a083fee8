delete from hook_deliveries
where (hook_id, seq) in (
    select hook_id, seq
    from hook_deliveries
    where ended_at < $1 and state = 'failed'
    order by ended_at
    limit $2
)
