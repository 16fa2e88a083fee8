insert into processes (id, role, version, host, pid, flows, master_keys, queue, started_at, seen_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
on conflict (id) do update set seen_at = excluded.seen_at, flows = excluded.flows
