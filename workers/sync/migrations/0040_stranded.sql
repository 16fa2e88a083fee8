-- What is owed for a task, note or appointment whose contact went from GHL: merged into another contact, it is met again there.

alter table entries add column gone_base text; -- the last state agreed with GHL, where something was owed when the contact went
alter table entries add column gone_deleted bigint; -- 1 where a deletion was owed
