-- How many events an API key may send in a minute, at each gateway; null for as many as the settings allow.

alter table api_keys add column events_per_minute bigint;
