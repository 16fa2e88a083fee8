insert into marks (name, at) values ('job_started', $1)
on conflict (name) do update set at = excluded.at where marks.at < excluded.at
