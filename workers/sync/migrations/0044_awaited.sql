-- Hashes by which an erased person is known whose create was never answered, once GHL shows the contact under an id of its own.
alter table erasures add column awaits text;
