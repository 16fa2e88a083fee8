-- JSON: e-mails and phones of the person, by which calls are found that name nobody. Only until the erasure is complete.
alter table erasures add column traces text;
