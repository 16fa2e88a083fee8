-- Runs of flows. A run is under way while it has no outcome. Its next step is owed by a row of the ledger: of the kind flow_step where the
-- step has yet to begin, else of the event or the call that the step is, whose event id is the run's id, a dot and the step's number.

create table flow_runs (
    id text not null primary key, -- uuid v7
    flow text not null,
    location_id text not null,
    contact_id text, -- as it was kept when the run began
    occasion text, -- by which a repetition is known; null where a person started it, or an event that is itself known by its id
    definition text not null, -- JSON: the flow as it was then
    knows text not null, -- JSON: what started it, and what steps answered; emptied as the run ends
    log text not null default '[]', -- JSON: what became of each step
    step bigint not null default 0, -- the one that is next or under way, from 0
    wait_until bigint, -- where that is a wait
    priority bigint not null,
    started_at bigint not null,
    outcome text,
    check (outcome in ('done', 'skipped', 'discarded', 'erased'))
);

-- What flows have called GHL about. For an hour, what GHL tells of it is no occasion for a flow.
create table flow_touched (
    location_id text not null,
    object_id text not null, -- GHL's
    touched_at bigint not null,
    primary key (location_id, object_id)
);

create index flow_touched_at on flow_touched (touched_at);

create unique index flow_runs_occasion on flow_runs (location_id, flow, occasion) where occasion is not null;
create index flow_runs_contact on flow_runs (location_id, contact_id);
create index flow_runs_outcome on flow_runs (flow, outcome);
