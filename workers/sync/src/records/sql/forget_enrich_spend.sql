delete from enrich_spend
where (scope, period) in (select scope, period from enrich_spend where at < $1 limit $2)
