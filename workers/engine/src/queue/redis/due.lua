-- What is due: scheduled jobs, leases of dead workers and their tokens, lanes that were parked, and lanes to forget.

-- Entries that one step fires; jobs that it lines up; lanes that it may forget (law 10).
local LIMIT_DUE = 64

-- The envelope of a job that a dead worker had claimed, with the crash counted where the job may have caused it (law 11). `alone` is the slot
-- that `alone.lua` noted; false where all jobs of the batch may have begun. Without that note a suspect stays one: only a death alone proves it.
local function with_crash(stored, slot, alone)
  local crashes = math.floor(byte(stored, CLASS_AT) / CRASH)
  local counts = crashes < SUSPECT
  if alone then counts = alone == slot and crashes < MOST_CRASHES end
  return counts and with(stored, CLASS_AT, CRASH) or stored
end

-- Lets a job of a dead worker wait again, where nothing has become of it since.
local function run_after_crash(name, envelope, lost, alone)
  local slot = name .. '\0' .. key_in(envelope)
  local state, owner = running(entry_of(slot))
  if owner ~= lost then return end
  local stored, m = to_run_again(slot, state, envelope), lane_of(name)
  -- Nobody knows what it sent, or when the last call arrives: its tokens stay away for time-out and interval.
  remind(now + 1 + TIMEOUT + INTERVAL, 'T' .. byte(stored, COST_AT) .. ':' .. text(lost) .. ':' .. slot)
  stored = with_crash(stored, slot, alone)
  enqueue(m, class_in(stored), slot, stored, true)
  if m.state == PROBING then
    m.state = PROBE
    activate(m)
  end
end

-- Lets a dead worker's batch wait again. Returns how many jobs its lease was for.
local function fire_lease(lost)
  local known = call('HMGET', H, 'B' .. lost, 'A' .. lost)
  local batch, alone = known[1], known[2]
  call('HDEL', H, 'B' .. lost, 'A' .. lost)
  if not batch then return 0 end
  local told, at, jobs = cmsgpack.unpack(batch), 1, 0
  while at <= #told do
    local next_lane = at + 2 + told[at + 1]
    for i = at + 2, next_lane - 1 do run_after_crash(told[at], told[i], tonumber(lost), alone) end
    jobs = jobs + told[at + 1]
    at = next_lane
  end
  return jobs
end

local function fire_scheduled(rest, due)
  local lane, next_ = unpack_('>Bc0', rest)
  local stored = sub(rest, next_)
  local class, slot = class_in(stored), lane .. '\0' .. key_in(stored)
  if entry_of(slot) == scheduled_entry(class, due) then enqueue(lane_of(lane), class, slot, stored, false) end
end

local function fire_lane(name)
  local m = lane_of(name)
  thaw(m)
  if (m.state == HELD or m.state == BROKEN) and m.hold > now then
    remind(m.hold, 'L' .. name)
  elseif m.state == BROKEN then
    m.hold, m.state = 0, PROBE
    activate(m)
  elseif m.state == HELD or m.state == TOKENS or m.state == STARVED or m.state == DAY_SPENT or m.state == PACED then
    m.hold = 0
    unpark(m)
  end
end

local function fire_tokens(entry)
  local cost, slot = string.match(entry, '^(%d+):%d+:(.*)$')
  local m = lane_of(lane_in(slot))
  thaw(m)
  m.out = m.out - tonumber(cost)
  -- It may have sent them all.
  spend_day(m, tonumber(cost), 4294967295)
  reconsider(m)
end

-- Forgets lanes that have nothing to do and of whose calls none counts any more, some at a time: from a cursor on.
local function forget_lanes(cursor)
  local scanned = call('HSCAN', LANES, cursor, 'COUNT', LIMIT_DUE)
  for i = 1, #scanned[2], 2 do
    local name, state, flags, out, _, _, _, first, _, last, _, _, day_bin = scanned[2][i], unpack_(META, scanned[2][i + 1])
    local idle = state == NORMAL and flags % 64 == 0 and out == 0 and math.max(first, last) <= now
    if idle and day_bin + DAY_BINS <= today and not lanes[name] then
      call('HDEL', LANES, name)
      call('DEL', P .. 'c:' .. name, P .. 'y:' .. name)
    end
  end
  if scanned[1] ~= '0' then remind(now + 1, 'F' .. scanned[1])
  elseif call('EXISTS', LANES) == 1 then remind(now + DAY_BIN, 'F0') end
end

-- When the first entry is due that was not yet, and whether others have been fired since that was looked up.
local first_undue, fired_some

local function fire_due()
  first_undue, fired_some = tonumber(call('ZRANGE', TIMER, '0', '0', 'WITHSCORES')[2]), false
  if not first_undue or first_undue > now then return end
  fired_some = true
  local due = call('ZRANGEBYSCORE', TIMER, '-inf', text(now), 'WITHSCORES', 'LIMIT', '0', text(LIMIT_DUE))
  local fired = 0
  for i = 1, #due, 2 do
    -- A lease is worth its jobs: many workers can die in one moment.
    if fired >= LIMIT_DUE then return end
    fired = fired + 1
    local kind, rest = sub(due[i], 1, 1), sub(due[i], 2)
    call('ZREM', TIMER, due[i])
    if kind == 'J' then fire_scheduled(rest, tonumber(due[i + 1]))
    elseif kind == 'L' then fire_lane(rest)
    elseif kind == 'B' then fired = fired + fire_lease(rest)
    elseif kind == 'F' then
      forget_lanes(rest)
      return
    else fire_tokens(rest) end
  end
end

-- When something is due next, or somewhat earlier; nil where nothing is.
local function next_due()
  if fired_some then first_undue = tonumber(call('ZRANGE', TIMER, '0', '0', 'WITHSCORES')[2]) end
  return soonest and math.min(soonest, first_undue or soonest) or first_undue
end
