-- Calls of any operation. What was asked for is the row's data; here is what came of it. Both go with the row.

-- When the call was handed to the network, where a second one would do harm: set before it is sent, and taken back only once it is
-- known that GHL did not carry it out.
alter table jobs add column sent_at bigint;

-- GHL's answer: a status and a body, as JSON. It may hold personal data, and is never logged.
alter table jobs add column reply text;
