-- The list of ledger rows is appended.
select count(*) from jobs where source not in ('webhook', 'sweep', 'job') and id in
