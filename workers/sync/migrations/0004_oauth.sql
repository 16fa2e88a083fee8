-- What opens GHL: every bearer, of a Private Integration or an OAuth login, of a location or an agency (a "company").

create table tokens (
    holder text not null primary key, -- a location's id, or `company:` and a company's
    access text, -- sealed by the vault, base64; null while it is still to be fetched
    refresh text, -- the same; null for a Private Integration, and for a location that its company's token opens
    key_id text, -- the master key that sealed them
    obtained_at bigint not null,
    expires_at bigint, -- of access; null where it does not expire
    scopes text, -- granted, blanks between them; null where nobody told
    missing_scopes text, -- asked for and not granted
    state text not null,
    reason text, -- why it is not active, or why the last refresh failed
    generation bigint not null, -- counts what was stored: a pair is kept only in the place of the one that it was got for
    fence bigint not null default 0, -- counts refreshes begun: whoever holds an older number has lost its lease
    pending_until bigint, -- a refresh is under way, and its holder counts as dead after this
    unsure bigint not null default 0, -- 1: the refresh token was sent, and nobody knows what came of it
    after_refusal bigint not null default 0, -- 1: got because GHL refused the one before
    failures bigint not null default 0, -- refreshes that failed in a row
    rest_until bigint, -- no refresh before this
    next_call_at bigint not null default 0, -- paces the calls with a company's token
    listed_at bigint not null default 0, -- when a company's installed locations were listed last
    check (state in ('active', 'revoked', 'lost'))
);

insert into tokens (holder, access, key_id, obtained_at, state, generation)
select location_id, token, key_id, updated_at, 'active', 1
from connections;

alter table connections drop column token;
alter table connections drop column key_id;
-- The agency whose token opens the location, where it was installed by one.
alter table connections add column company_id text;

create index connections_company on connections (company_id);

-- Installs that were begun and not yet come back. Each comes back once.
create table installs (
    nonce text not null primary key,
    browser text, -- SHA-256 of the browser's cookie; null where the link was printed for a person
    scopes text not null, -- asked for
    expires_at bigint not null
);
