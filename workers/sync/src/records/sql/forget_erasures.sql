-- Receipts of erasures that a producer lifted. One that is in force stays: it says whom nothing is stored of.
delete from erasures
where id in (select id from erasures where lifted_at < $1 order by lifted_at limit $2)
