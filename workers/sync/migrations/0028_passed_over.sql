-- What a walk could not read, and what GHL counts but does not show: reported, and nobody waits for it.

alter table walks add column passed_over bigint not null default 0; -- contacts of the pages that could not be read
alter table walks add column not_shown bigint not null default 0; -- contacts that GHL counts and that its pages did not show
