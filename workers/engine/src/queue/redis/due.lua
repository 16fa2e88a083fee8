-- What is due: scheduled jobs, leases of dead workers and their tokens, lanes that were stopped, and lanes to forget.

-- Entries that one step fires; jobs that it lines up; lanes that it may forget (law 10).
local LIMIT_DUE = 64
-- Entries of the timer that this step takes away.
local gone_timers
local fire_due, next_due
do
-- A lane whose server has reported lower limits than are set is remembered for so many days longer: nobody else knows of them.
local LIMITS_DAYS = 30

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
  if m.circuit == PROBING and m.probe == lost then probe_again(m, now) end
  stored = with_crash(stored, slot, alone)
  enqueue(m, class_in(stored), slot, stored, true)
end

-- Lets a dead worker's batch wait again. Returns how many jobs its lease was for.
local function fire_lease(lost)
  local known = call('HMGET', H, 'B' .. lost, 'A' .. lost)
  local batch, alone = known[1], known[2]
  hash_dels[#hash_dels + 1] = 'B' .. lost
  hash_dels[#hash_dels + 1] = 'A' .. lost
  if not batch then return 0 end
  local reported, at, jobs = cmsgpack.unpack(batch), 1, 0
  while at <= #reported do
    local next_lane = at + 2 + reported[at + 1]
    for i = at + 2, next_lane - 1 do run_after_crash(reported[at], reported[i], tonumber(lost), alone) end
    jobs = jobs + reported[at + 1]
    at = next_lane
  end
  return jobs
end

local function fire_scheduled(what, rest, due)
  local length = byte(rest)
  local stored = length and sub(rest, length + 2)
  local class = stored and #stored >= KEY_AT and class_in(stored)
  if not class or not key_of(stored, class) then return set_aside(what) end
  local lane = sub(rest, 2, length + 1)
  local slot = lane .. '\0' .. key_in(stored)
  if entry_of(slot) == scheduled_entry(class, due) then enqueue(lane_of(lane), class, slot, stored, false) end
end

local function fire_lane(name)
  local m = lane_of(name)
  thaw(m)
  turn_day(m)
  unpark(m)
end

local function fire_tokens(what, entry)
  local cost, slot = string.match(entry, '^(%d+):%d+:(.*)$')
  if not cost or not find(slot, '\0', 1, true) then return set_aside(what) end
  local m = lane_of(lane_in(slot))
  thaw(m)
  turn_day(m)
  m.out = math.max(0, m.out - tonumber(cost))
  -- It may have sent them all.
  m.bin_used = m.bin_used + tonumber(cost)
  reconsider(m)
end

-- Forgets lanes that have nothing to do and of whose calls none counts any more, some at a time: from a cursor on.
local function forget_lanes(cursor)
  local scanned, left = call('HSCAN', LANES, cursor, 'COUNT', LIMIT_DUE), false
  for i = 1, #scanned[2], 2 do
    local name, flags, state, _, out, _, _, _, first, _, last, _, day_bin = scanned[2][i], unpack_(META, scanned[2][i + 1])
    local idle, days = state == NORMAL and flags % 64 == 0 and out == 0 and math.max(first, last) <= now, 1
    if flags >= 128 then
      local circuit, _, _, hold, _, _, burst, daily = unpack_(MORE, scanned[2][i + 1], META_SIZE + 1)
      idle = idle and circuit == CLOSED and hold <= now
      if burst > 0 and burst < BURST or daily > 0 and daily < DAILY then days = 1 + LIMITS_DAYS end
    end
    if idle and day_bin + DAY_BINS * days <= today and not lanes[name] then
      lane_dels[#lane_dels + 1] = name
      key_dels[#key_dels + 1] = P .. 'c:' .. name
      key_dels[#key_dels + 1] = P .. 'y:' .. name
    else
      left = true
    end
  end
  if scanned[1] ~= '0' then remind(now + 1, 'F' .. scanned[1])
  elseif left or call('HLEN', LANES) > #lane_dels then remind(now + DAY_BIN, 'F0') end
end

-- When the first entry is due that was not yet, and whether others have been fired since that was looked up.
local first_undue, fired_some

-- When the first entry of the timer is due that this step leaves there, with so many taken away; nil where there is none. Where it is `later`, one
-- that this step has planned anew counts no more for when it was planned before.
local function first_left(beyond, later)
  local first = call('ZRANGE', TIMER, '0', text(beyond), 'WITHSCORES')
  for i = 1, #first, 2 do
    if not (gone_timers[first[i]] or later and timer_adds[first[i]]) then return tonumber(first[i + 1]) end
  end
  if later and #first > 2 * beyond then return first_left(2 * beyond + 1, later) end
end

function fire_due()
  first_undue, fired_some = first_left(#timer_rems), false
  if not first_undue or first_undue > now then return end
  fired_some = true
  local due = call('ZRANGEBYSCORE', TIMER, '-inf', text(now), 'WITHSCORES', 'LIMIT', '0', text(LIMIT_DUE + #timer_rems))
  local fired = 0
  for i = 1, #due, 2 do
    -- A lease is worth its jobs: many workers can die in one moment.
    if fired >= LIMIT_DUE then return end
    local what = due[i]
    if not gone_timers[what] then
      fired = fired + 1
      local kind, rest = sub(what, 1, 1), sub(what, 2)
      gone_timers[what] = true
      timer_rems[#timer_rems + 1] = what
      if kind == 'J' then fire_scheduled(what, rest, tonumber(due[i + 1]))
      elseif kind == 'L' then fire_lane(rest)
      elseif kind == 'B' then fired = fired + fire_lease(rest)
      elseif kind == 'T' then fire_tokens(what, rest)
      elseif kind == 'F' then return forget_lanes(rest)
      -- As a newer version may have written.
      else set_aside(what) end
    end
  end
end

-- When something is due next, or somewhat earlier; nil where nothing is.
function next_due()
  if fired_some then first_undue = first_left(#timer_rems, true) end
  return soonest and math.min(soonest, first_undue or soonest) or first_undue
end
end
