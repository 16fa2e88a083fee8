-- Which generation of GHL's API the location is called with; null is that of the dated versions.
alter table connections add column api text;
