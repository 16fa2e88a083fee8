select max(epoch) from jobs where finished_at is null
