-- One step of a worker: settles what it finished, fires what is due, claims what can run.
--
-- ARGV[2]: the most jobs to claim. ARGV[3]: count of finished batches, then their epochs. Then the settlements as `told` reads them, and for each,
-- packed as `VERDICT` says, the verdict, epoch, calls sent, remaining by the server or 65535, delay in ms, ms since the last call
-- ended, remaining of the day by the server or 2^32 - 1; from STORED_AT on the stored envelope where it may run again.
-- Verdicts: D done or dead, R run again after the delay, F the same and it failed, H back to the head of its lane; T the lane is held for
-- the delay, B it is broken and probed after the delay, and the job goes back to its head.
-- Returns: incarnation, now in ms, epoch of the claim, ms until something is due (-1: nothing known, 0: more is runnable), positions of settlements
-- that came too late, then what was claimed, lane by lane: its name, the count of its jobs, their envelopes.
-- Invariant: a job settles only with the epoch it was claimed with (law 5); tokens taken never exceed the burst within
-- one interval of the last response (law 2).
local VERDICT, STORED_AT = '>BdHHI4I4I4', 26
local DONE, AGAIN, FAILED, THROTTLED, BROKEN_OFF = byte('DRFTB', 1, 5)
local LIMIT_DUE, LIMIT_LANES, LIMIT_REPLACED = 64, 200, 100

-- Positions of settlements that came too late, and the slots that leave the index.
local late, ended
-- The epoch of this claim, what is returned of the claimed jobs, and their count.
local epoch, reply, claimed
-- Count of entries passed over, since a more urgent one of their key ran in their place or their kind is paused.
local replaced
-- The kinds that are paused; nil where there are none.
local paused_kinds

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
  call('ZADD', TIMER, m.hold, 'L' .. m.name)
end

-- Opens the lane's breaker.
local function break_off(m, delay)
  m.state, m.failures = BROKEN, 0
  m.hold = now + delay
  call('ZADD', TIMER, m.hold, 'L' .. m.name)
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
    local class = byte(call('HGET', H, 'X' .. slot), CLASS_AT)
    call('HDEL', H, 'X' .. slot)
    if class < byte(stored, CLASS_AT) then return with(stored, CLASS_AT, class) end
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
    local class, _, _, attempt = unpack_(HEAD, stored, HEAD_AT)
    if verdict == FAILED then
      stored = sub(stored, 1, ATTEMPT_AT - 1) .. pack('>H', math.min(65535, attempt + 1)) .. sub(stored, ATTEMPT_AT + 2)
    end
    local put_off = verdict == AGAIN or verdict == FAILED
    if put_off and delay > 0 then schedule(m, slot, stored, now + delay)
    else enqueue(m, class, slot, stored, not put_off) end
  elseif state == RUNS_AGAIN then
    local extra = call('HGET', H, 'X' .. slot)
    call('HDEL', H, 'X' .. slot)
    enqueue(m, byte(extra, CLASS_AT), slot, extra, false)
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

-- Lets a job of a dead worker wait again, where nothing has become of it since.
local function run_after_crash(name, envelope, lost)
  local slot = name .. '\0' .. key_in(envelope)
  local state, owner = running(entry_of(slot))
  if owner ~= lost then return end
  local stored, m = to_run_again(slot, state, envelope), lane_of(name)
  local class, cost, crashes = unpack_(HEAD, stored, HEAD_AT)
  -- Nobody knows what it sent, or when the last call arrives: its tokens stay away for time-out and interval.
  call('ZADD', TIMER, now + 1 + TIMEOUT + INTERVAL, 'T' .. cost .. ':' .. text(lost) .. ':' .. slot)
  enqueue(m, class, slot, with(stored, CRASHES_AT, math.min(255, crashes + 1)), true)
  if m.state == PROBING then
    m.state = PROBE
    activate(m)
  end
end

-- Lets a dead worker's batch wait again. Returns how many jobs its lease was for.
local function fire_lease(lost)
  local batch = call('HGET', H, 'B' .. lost)
  call('HDEL', H, 'B' .. lost)
  if not batch then return 0 end
  local told, at, jobs = cmsgpack.unpack(batch), 1, 0
  while at <= #told do
    local next_lane = at + 2 + told[at + 1]
    for i = at + 2, next_lane - 1 do run_after_crash(told[at], told[i], tonumber(lost)) end
    jobs = jobs + told[at + 1]
    at = next_lane
  end
  return jobs
end

local function fire_scheduled(rest, due)
  local lane, next_ = unpack_('>Bc0', rest)
  local stored = sub(rest, next_)
  local class, _, _, _, key = unpack_(HEAD, stored, HEAD_AT)
  local slot = lane .. '\0' .. key
  if entry_of(slot) == scheduled_entry(class, due) then enqueue(lane_of(lane), class, slot, stored, false) end
end

local function fire_lane(name)
  local m = lane_of(name)
  thaw(m)
  if (m.state == HELD or m.state == BROKEN) and m.hold > now then
    call('ZADD', TIMER, m.hold, 'L' .. name)
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

local function fire_due()
  local due = call('ZRANGEBYSCORE', TIMER, '-inf', now, 'WITHSCORES', 'LIMIT', 0, LIMIT_DUE)
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
    else fire_tokens(rest) end
  end
end

local ASIDE = '>Bc0'

local function kind_in(slot)
  local at = find(slot, '\0', 1, true)
  return sub(slot, at + 1, find(slot, '/', at, true) - 1)
end

-- Lines up again, at the tails of their lanes, as many jobs of a resumed kind as one step may. Whether there may be more.
local function line_up(kind)
  local aside = call('LPOP', P .. 'k:' .. kind, LIMIT_DUE) or {}
  for i = 1, #aside do
    local name, next_ = unpack_(ASIDE, aside[i])
    local stored = sub(aside[i], next_)
    local class, _, _, _, key = unpack_(HEAD, stored, HEAD_AT)
    local slot = name .. '\0' .. key
    if entry_of(slot) == CLASS[class] then
      local m = lane_of(name)
      -- An equal one may be listed: this one put aside, replaced by it, and that one run and pushed again.
      m.stale = true
      enqueue(m, class, slot, stored, false)
    end
  end
  return #aside == LIMIT_DUE
end

-- Whether resumed kinds have jobs left to line up.
local function look_at_kinds()
  local left, more = '', false
  for mark, kind in string.gmatch(kinds, '(%a)([^/]+)/') do
    if mark == 'p' then
      paused_kinds = paused_kinds or {}
      paused_kinds[kind] = true
      left = left .. 'p' .. kind .. '/'
    elseif line_up(kind) then
      left, more = left .. 'r' .. kind .. '/', true
    end
  end
  if left ~= kinds then call('HSET', H, 'kinds', left) end
  return more
end

-- Puts envelopes from the one at `first` on back where they came from.
local function put_back(m, class, listed, first)
  for i = #listed, first, -1 do call('LPUSH', QUEUE[class] .. m.name, listed[i]) end
  m[class] = true
end

-- What parks a lane that can't pay for a job of a class now; nil where it can.
local function too_dear(m, class, cost)
  if class < 2 then
    if cost > day_left(m) then return park_for_day end
    if cost > free(m) then return park_for_tokens end
    return nil
  end
  if cost > day_left(m) - DAILY_RESERVE then return park_for_day end
  -- One job a bin is always let through, however small the share.
  if cost > day_left_to_bulk(m) and m.bin_used + m.out > 0 then return park_for_pace end
  if cost > free(m) - RESERVE then return park_for_tokens end
  return nil
end

-- Claims at most `most` of a lane's listed envelopes of a class, and parks the lane where the next one is too dear. How many it took off
-- the list, and how many of these it claimed.
local function serve_class(m, class, most)
  local listed = call('LPOP', QUEUE[class] .. m.name, most) or {}
  if #listed < most then m[class] = false end
  local prefix, slots = m.name .. '\0', {}
  for i = 1, #listed do slots[i] = prefix .. key_in(listed[i]) end
  if m.stale then read_entries(slots, 1, #slots) end
  local taken, cost_before, entry = 0, nil, nil
  for i = 1, #listed do
    local slot, stored = slots[i], listed[i]
    -- Else it was replaced by a more urgent entry of the same key, or is its own second entry.
    if m.stale and entries[slot] ~= CLASS[class] then
      replaced = replaced + 1
    elseif paused_kinds and paused_kinds[kind_in(slot)] then
      -- Its entry in the index stays: a push of its key finds it waiting. Nothing is paid, and what is behind it goes on.
      append(P .. 'k:' .. kind_in(slot), string.char(#m.name) .. m.name .. stored)
      replaced = replaced + 1
    else
      local cost = byte(stored, COST_AT)
      local park = too_dear(m, class, cost)
      if park then
        put_back(m, class, listed, i)
        park(m)
        return i - 1, taken
      end
      m.out = m.out + cost
      if cost ~= cost_before then cost_before, entry = cost, pack(RUNNING, RUNS, epoch, m.returned % 4294967296, cost) end
      if m.stale then entries[slot] = entry end
      put_entry(slot, entry)
      taken = taken + 1
      reply[#reply + 1] = stored
    end
  end
  return #listed, taken
end

-- Claims at most `most` jobs of a lane, the most urgent class first; interactive ones alone where it is `hot`. Whether it claimed any.
local function serve(m, most, hot)
  local head, taken, left, state_before = #reply, 0, most, m.state
  reply[head + 1], reply[head + 2] = m.name, ''
  for class = 0, hot and 0 or 2 do
    if m[class] and left > 0 and m.state == state_before then
      local off, claimed_of_class = serve_class(m, class, left)
      left, taken = left - off, taken + claimed_of_class
    end
  end
  if not (m[0] or m[1] or m[2]) then m.stale = false end
  if taken > 0 then reply[head + 2] = text(taken) else reply[head + 1], reply[head + 2] = nil, nil end
  claimed = claimed + taken
  return taken > 0
end

-- Serves a lane that was taken off a ring.
local function visit(m, turn, hot)
  m.rings = m.rings - (hot and 1 or 2)
  if m.paused or (m.state ~= NORMAL and m.state ~= PROBE) then return end
  thaw(m)
  turn_day(m)
  local probing = m.state == PROBE
  local any = serve(m, probing and 1 or turn, hot)
  if probing and any then m.state = PROBING
  elseif probing and m.state ~= PROBE then break_off(m, INTERVAL)
  else activate(m) end
end

local function claim(most)
  local visited = 0
  while claimed < most and visited < LIMIT_LANES and replaced < LIMIT_REPLACED do
    -- No more lanes than are needed if each gives a full turn: what is popped is visited.
    local wanted, hot = math.ceil((most - claimed) / TURN), true
    local names = call('LPOP', RING[0], wanted)
    if not names then
      hot = false
      names = call('LPOP', RING[1], wanted)
    end
    if not names then return end
    preload(names, 1, #names)
    -- Where fewer lanes are runnable than could be served, each has a longer turn.
    local turn = math.max(TURN, math.ceil((most - claimed) / #names))
    for i = 1, #names do visit(lane_of(names[i]), math.min(turn, most - claimed), hot) end
    visited = visited + #names
    -- So that a lane which is visited again is found on its ring.
    flush()
  end
end

function functions.step(argv)
  late, ended, reply, claimed, replaced, paused_kinds = {}, {}, {}, 0, 0, nil
  -- Above every earlier epoch, also of an earlier life of this server: records are fenced by it.
  epoch = math.max(now_us, tonumber(last_epoch or '0') + 1)
  local first = 3 + tonumber(argv[3]) + 1
  for i = 4, first - 1 do
    call('HDEL', H, 'B' .. argv[i])
    call('ZREM', TIMER, 'B' .. argv[i])
  end
  settle_all(argv, first)
  fire_due()
  local lining_up = kinds and look_at_kinds()
  flush()
  local most = tonumber(argv[2])
  if most > 0 and resting == 0 then
    claim(most)
    if claimed > 0 then
      call('HSET', H, 'epoch', text(epoch), 'B' .. text(epoch), cmsgpack.pack(reply))
      call('ZADD', TIMER, now + LEASE, 'B' .. text(epoch))
    end
  end
  save()

  local wait = -1
  runnable = call('EXISTS', RING[0], RING[1]) > 0
  if resting > 0 then wait = resting
  elseif runnable or lining_up then
    wait = 0
    wake()
  else
    local next_due = call('ZRANGE', TIMER, 0, 0, 'WITHSCORES')
    if next_due[2] then wait = math.max(0, math.ceil(tonumber(next_due[2])) - now) end
  end
  return {born, text(now), claimed > 0 and text(epoch) or '0', text(wait), table.concat(late, ','), unpack(reply)}
end
