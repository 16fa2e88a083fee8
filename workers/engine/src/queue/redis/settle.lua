-- What a settlement makes of its job and of its lane.
--
-- Packed: the verdict, epoch, calls sent, remaining by the server or 65535, delay in ms, ms since the last call ended, remaining of the day by the
-- server or 2^32 - 1; from STORED_AT on the stored envelope where it may run again.
-- Verdicts: D done or dead, R run again after the delay, F the same and it failed, H back to the head of its lane; T the lane is held for
-- the delay, B it is broken and probed after the delay, and the job goes back to its head.
-- Invariant: a job settles only with the epoch it was claimed with (law 5).
local VERDICT, STORED_AT = '>BdHHI4I4I4', 26
local DONE, AGAIN, FAILED, THROTTLED, BROKEN_OFF = byte('DRFTB', 1, 5)

-- Positions of settlements that came too late, and the slots that leave the index.
local late, ended

local function put_aside_for_other_clients(m, remaining, returned_at_claim)
  if remaining == 65535 then return end
  -- The server counts every client of the quota. What it counted beyond ours was spent by another. Tokens that came back since the
  -- claim were still out when the server counted, so they are not another's (law 3).
  local ours = m.out + m.cooling + (m.returned - returned_at_claim)
  local foreign = (BURST - remaining) - ours
  if foreign > 0 then cool(m, math.min(foreign, math.max(0, free(m))), now + INTERVAL) end
end

-- After a 429 the free tokens come back in four steps, behind those that cool already, so the lane starts gently.
local function hold(m, delay)
  m.hold = math.max(m.hold, now + delay)
  local start = math.max(m.hold, m.first_n > 0 and m.first or 0, m.last_n > 0 and m.last or 0)
  local quarter = math.ceil(math.max(0, free(m)) / 4)
  for step = 0, 3 do
    cool(m, math.min(quarter, math.max(0, free(m))), start + step * INTERVAL / 4)
  end
  m.state = HELD
  remind(m.hold, 'L' .. m.name)
end

-- Opens the lane's breaker.
local function break_off(m, delay)
  m.state, m.failures = BROKEN, 0
  m.hold = now + delay
  remind(m.hold, 'L' .. m.name)
end

-- What the verdict says of the lane as a whole.
local function judge(m, verdict, delay)
  if verdict == DONE then
    m.failures = 0
    if m.state == PROBING then unpark(m) end
  elseif verdict == THROTTLED then hold(m, delay)
  elseif verdict == BROKEN_OFF then break_off(m, delay)
  elseif verdict == FAILED then
    m.failures = math.min(255, m.failures + 1)
    if m.failures >= FAILURES or m.state == PROBING then break_off(m, PROBE_AFTER) end
  elseif m.state == PROBING then
    -- Given back or put off: nothing is known yet.
    m.state = PROBE
  end
end

-- What the entry of a running job says: state, epoch, returned tokens, cost; nil where it does not run. Entries come in runs of equal ones.
local last_entry, last_state, last_epoch_of, last_returned, last_cost
local function running(entry)
  if entry ~= last_entry then
    last_entry, last_state = entry, entry and byte(entry)
    if last_state == RUNS or last_state == RUNS_AGAIN then
      last_state, last_epoch_of, last_returned, last_cost = unpack_(RUNNING, entry)
    else
      last_state, last_epoch_of, last_returned, last_cost = nil, nil, nil, nil
    end
  end
  return last_state, last_epoch_of, last_returned, last_cost
end

-- The envelope of a running job that is to run again; where there is one more run to come, this one serves it too, and the more urgent
-- of the two pushes decides the class.
local function to_run_again(slot, state, stored)
  if state == RUNS_AGAIN then
    local class = class_in(call('HGET', H, 'X' .. slot))
    call('HDEL', H, 'X' .. slot)
    if class < class_in(stored) then return with_class(stored, class) end
  end
  return stored
end

local function settle(m, position, slot, packed)
  local verdict, settled, used, remaining, delay, since, daily_remaining = unpack_(VERDICT, packed)
  -- Tokens come back one interval after the response, not after the settlement. A ms that began counts as a whole.
  local back = now + 1 - since + INTERVAL
  spend_day(m, used, daily_remaining)
  local state, owner, returned, cost = running(entries[slot])
  if owner ~= settled then
    -- Too late: the job is another's. The calls it sent are counted all the same.
    cool(m, used, back)
    late[#late + 1] = position
    return
  end
  m.out = m.out - cost
  cool(m, used, back)
  put_aside_for_other_clients(m, remaining, returned)
  judge(m, verdict, delay)

  if verdict ~= DONE then
    local stored = to_run_again(slot, state, sub(packed, STORED_AT))
    if verdict == FAILED and byte(stored, ATTEMPT_AT) < 255 then stored = with(stored, ATTEMPT_AT, 1) end
    local put_off = verdict == AGAIN or verdict == FAILED
    if put_off and delay > 0 then schedule(m, slot, stored, now + delay)
    else enqueue(m, class_in(stored), slot, stored, not put_off) end
  elseif state == RUNS_AGAIN then
    local extra = call('HGET', H, 'X' .. slot)
    call('HDEL', H, 'X' .. slot)
    enqueue(m, class_in(extra), slot, extra, false)
  else
    entries[slot] = false
    ended[#ended + 1] = slot
  end
  -- A settlement that freed nothing changes nothing for a lane whose next return is known.
  if cost > used or m.state == STARVED then reconsider(m) end
end

-- Settles what `argv` tells from `first` on.
local function settle_all(argv, first)
  local counts, names, slots, verdicts = told(argv, first)
  preload(argv, names + 1, slots)
  read_entries(argv, slots + 1, verdicts)
  local job = 0
  for lane = 1, #counts do
    local m = lane_of(argv[names + lane])
    thaw(m)
    turn_day(m)
    for _ = 1, byte(counts, lane) do
      job = job + 1
      settle(m, job - 1, argv[slots + job], argv[verdicts + job])
    end
  end
  -- Before what comes after it may set an entry of the same slot again.
  variadic('HDEL', INDEX, ended)
end
