select count(*) from jobs where discarded_at is not null
