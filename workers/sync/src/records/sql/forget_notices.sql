delete from notices
where seq in (
    select seq
    from notices
    where at < $1
    order by at
    limit $2
)
