-- Of the newest only: whoever reads very many people is noted once more now and then.
select seq from (select seq, actor_kind, actor, target, location_id, at from audit where action = $1 order by seq desc limit 500) as newest
where actor_kind = $2 and actor = $3 and target = $4 and location_id = $5 and at >= $6
order by seq desc limit 1
