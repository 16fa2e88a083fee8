delete from enrich_cache
where name in (select name from enrich_cache where expires_at < $1 order by expires_at limit $2)
