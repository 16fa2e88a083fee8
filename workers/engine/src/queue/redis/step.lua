-- One step of a worker: settles what it finished, fires what is due, claims what can run.
--
-- ARGV[2]: the most jobs to claim. ARGV[3]: count of finished batches, then their epochs. Then the settlements, lane by lane: its name,
-- their count, and for each its slot and, packed as `VERDICT` says, the verdict, epoch, calls sent, remaining by the server or 65535, delay in ms, ms since the last call
-- ended, remaining of the day by the server or 2^32 - 1.
-- Verdicts: D done or dead, R run again after the delay, F the same and it failed, H back to the head of its lane; T the lane is held for
-- the delay, B it is broken and probed after the delay, and the job goes back to its head.
-- Returns: incarnation, now in ms, epoch of the claim, ms until something is due (-1: nothing known, 0: more is runnable), positions of settlements
-- that came too late, then what was claimed, lane by lane: its name, the count of its jobs, their envelopes.
-- Invariant: a job settles only with the epoch it was claimed with (law 5); tokens taken never exceed the burst within
-- one interval of the last response (law 2).
local VERDICT = '>BdHHI4I4I4'
local DONE, AGAIN, FAILED, THROTTLED, BROKEN_OFF = byte('DRFTB', 1, 5)
local LIMIT_DUE, LIMIT_LANES, LIMIT_REPLACED = 100, 200, 100
local late = {}

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

local function is_running(entry)
  local state = entry and byte(entry)
  return state == RUNS or state == RUNS_AGAIN
end

-- The envelope of a running job's entry; where there is one more run to come, this one serves it too, and the more urgent of the two
-- pushes decides the class.
local function to_run_again(slot, entry)
  local stored = sub(entry, STORED_AT)
  if byte(entry) == RUNS_AGAIN then
    local class = byte(call('HGET', H, 'X' .. slot), CLASS_AT)
    call('HDEL', H, 'X' .. slot)
    if class < byte(stored, CLASS_AT) then return with(stored, CLASS_AT, class) end
  end
  return stored
end

-- Slots that leave the index.
local ended = {}

local function settle(m, position, slot, packed)
  local verdict, epoch, used, remaining, delay, since, daily_remaining = unpack_(VERDICT, packed)
  -- Tokens come back one interval after the response, not after the settlement. A ms that began counts as a whole.
  local back = now + 1 - since + INTERVAL
  spend_day(m, used, daily_remaining)
  local entry = entries[slot]
  local state, claimed, returned
  if is_running(entry) then state, claimed, returned = unpack_(RUNNING, entry) end
  if claimed ~= epoch then
    -- Too late: the job is another's. The calls it sent are counted all the same.
    cool(m, used, back)
    late[#late + 1] = position
    return
  end
  local cost = byte(entry, STORED_AT + COST_AT - 1)
  m.out = m.out - cost
  cool(m, used, back)
  put_aside_for_other_clients(m, remaining, returned)
  judge(m, verdict, delay)

  if verdict ~= DONE then
    local stored = to_run_again(slot, entry)
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

-- Settles what ARGV tells from `first` on.
local function settle_all(first)
  if first > #ARGV then return end
  local names, slots = {}, {}
  local at = first
  while at <= #ARGV do
    names[#names + 1] = ARGV[at]
    local next_lane = at + 2 + 2 * ARGV[at + 1]
    for i = at + 2, next_lane - 1, 2 do slots[#slots + 1] = ARGV[i] end
    at = next_lane
  end
  preload(names)
  read_entries(slots)
  local position = 0
  at = first
  while at <= #ARGV do
    local m, next_lane = lane_of(ARGV[at]), at + 2 + 2 * ARGV[at + 1]
    thaw(m)
    turn_day(m)
    for i = at + 2, next_lane - 1, 2 do
      settle(m, position, ARGV[i], ARGV[i + 1])
      position = position + 1
    end
    at = next_lane
  end
  -- Before what comes after it may set an entry of the same slot again.
  variadic('HDEL', INDEX, ended)
end

-- Returns how many jobs the lease was for.
local function fire_lease(epoch)
  local batch = call('HGET', H, 'B' .. epoch)
  call('HDEL', H, 'B' .. epoch)
  if not batch then return 0 end
  local at, jobs = 1, 0
  while at <= #batch do
    local stop = find(batch, '\0\0', at, true) or #batch + 1
    local slot = sub(batch, at, stop - 1)
    at, jobs = stop + 2, jobs + 1
    local entry = entry_of(slot)
    if is_running(entry) and select(2, unpack_(RUNNING, entry)) == tonumber(epoch) then
      local stored = to_run_again(slot, entry)
      local class, cost, crashes = unpack_(HEAD, stored, HEAD_AT)
      local m = lane_of(lane_in(slot))
      -- Nobody knows what it sent, or when the last call arrives: its tokens stay away for time-out and interval.
      call('ZADD', TIMER, now + 1 + TIMEOUT + INTERVAL, 'T' .. cost .. ':' .. epoch .. ':' .. slot)
      enqueue(m, class, slot, with(stored, CRASHES_AT, math.min(255, crashes + 1)), true)
      if m.state == PROBING then
        m.state = PROBE
        activate(m)
      end
    end
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
  elseif m.state == HELD or m.state == TOKENS or m.state == STARVED or m.state == DAY_SPENT then
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

-- Paused kinds; nil where there are none.
local paused_kinds

-- Lines up again, at the tails of their lanes, as many jobs of a resumed kind as one step may. Whether there may be more.
local function line_up(kind)
  local aside = call('LPOP', P .. 'k:' .. kind, LIMIT_DUE) or {}
  for i = 1, #aside do
    local name, next_ = unpack_(ASIDE, aside[i])
    local stored = sub(aside[i], next_)
    local class, _, _, _, key = unpack_(HEAD, stored, HEAD_AT)
    local slot = name .. '\0' .. key
    if entry_of(slot) == CLASS[class] then enqueue(lane_of(name), class, slot, stored, false) end
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

-- The claimed jobs: their slots, and what is returned of them.
local slots, reply = {}, {}
-- Entries passed over, since a more urgent one of their key ran in their place, or their kind is paused.
local replaced = 0
-- Above every earlier epoch, also of an earlier life of this server: records are fenced by it.
local epoch = math.max(now_us, tonumber(last_epoch or '0') + 1)

-- Heads of lists, by position: what `look_for` took off and `serve` takes or puts back.
local head_class, head_cost, head_slot, head_stored = {}, {}, {}, {}

-- Takes off at most `most` heads of a lane's lists, the most urgent class first; interactive ones alone where it is `hot`.
local function take_heads(m, most, hot)
  local n = #head_slot
  local last, name = n + most, m.name
  for class = 0, hot and 0 or 2 do
    local waits
    if class == 0 then waits = m.w0 elseif class == 1 then waits = m.w1 else waits = m.w2 end
    if waits and n < last then
      local popped = call('LPOP', QUEUE[class] .. name, last - n) or {}
      for i = 1, #popped do
        local stored = popped[i]
        local _, cost, _, _, key = unpack_(HEAD, stored, HEAD_AT)
        n = n + 1
        head_class[n], head_cost[n], head_slot[n], head_stored[n] = class, cost, name .. '\0' .. key, stored
      end
      if n < last then
        if class == 0 then m.w0 = false elseif class == 1 then m.w1 = false else m.w2 = false end
      end
    end
  end
end

-- Puts heads back where they came from.
local function put_back(m, first, last)
  for i = last, first, -1 do
    local class = head_class[i]
    call('LPUSH', QUEUE[class] .. m.name, head_stored[i])
    if class == 0 then m.w0 = true elseif class == 1 then m.w1 = true else m.w2 = true end
  end
end

-- Claims of a lane's heads what it can pay for, and parks it where the next one is too dear. Whether it claimed any.
local function serve(m, first, last)
  local count_at, before = #reply + 2, #slots
  for i = first, last do
    local class, cost, slot = head_class[i], head_cost[i], head_slot[i]
    -- Else it was replaced by a more urgent entry of the same key, or is its own second entry.
    if entries[slot] ~= CLASS[class] then
      replaced = replaced + 1
    elseif paused_kinds and paused_kinds[kind_in(slot)] then
      -- Its entry in the index stays: a push of its key finds it waiting. Nothing is paid, and what is behind it goes on.
      append(P .. 'k:' .. kind_in(slot), string.char(#m.name) .. m.name .. head_stored[i])
      replaced = replaced + 1
    else
      local kept, kept_today = 0, 0
      if class == 2 then kept, kept_today = RESERVE, DAILY_RESERVE end
      local park
      if cost > day_left(m) - kept_today then park = park_for_day
      elseif cost > free(m) - kept then park = park_for_tokens end
      if park then
        put_back(m, i, last)
        park(m)
        break
      end
      m.out = m.out + cost
      set_entry(slot, pack(RUNNING, RUNS, epoch, m.returned % 4294967296) .. head_stored[i])
      slots[#slots + 1] = slot
      reply[count_at + #slots - before] = head_stored[i]
    end
  end
  local taken = #slots - before
  if taken > 0 then reply[count_at - 1], reply[count_at] = m.name, text(taken) end
  return taken > 0
end

-- Takes lanes off a ring, and off their lists what they may run; reads the index of all of it at once. The lanes, and for each of
-- them the positions of its heads; nothing where no lane is left.
local function look_for(most)
  -- No more lanes than are needed if each gives a full turn: what is popped is visited.
  local wanted = math.ceil(most / TURN)
  local hot = true
  local names = call('LPOP', RING[0], wanted)
  if not names then
    hot = false
    names = call('LPOP', RING[1], wanted)
  end
  if not names then return nil end
  preload(names)
  -- Where fewer lanes are runnable than could be served, each has a longer turn.
  local turn = math.max(TURN, math.ceil(most / #names))
  local before, stops = #head_slot, {}
  for i = 1, #names do
    local m = lane_of(names[i])
    m.rings = m.rings - (hot and 1 or 2)
    if not m.paused and (m.state == NORMAL or m.state == PROBE) then
      thaw(m)
      turn_day(m)
      take_heads(m, m.state == PROBE and 1 or math.min(turn, before + most - #head_slot), hot)
    end
    stops[i] = #head_slot
  end
  read_entries(head_slot, before + 1)
  return names, before, stops
end

local function claim(most)
  local visited = 0
  while #slots < most and visited < LIMIT_LANES and replaced < LIMIT_REPLACED do
    local names, start, stops = look_for(most - #slots)
    if not names then return end
    visited = visited + #names
    for i = 1, #names do
      local m = lanes[names[i]]
      local probing = m.state == PROBE
      local any = serve(m, start + 1, stops[i])
      start = stops[i]
      if probing and any then m.state = PROBING
      elseif probing and m.state ~= PROBE then break_off(m, INTERVAL)
      else activate(m) end
    end
    -- So that a lane which is visited again is found on its ring.
    flush()
  end
end

local first = 3 + tonumber(ARGV[3]) + 1
for i = 4, first - 1 do
  call('HDEL', H, 'B' .. ARGV[i])
  call('ZREM', TIMER, 'B' .. ARGV[i])
end
settle_all(first)
fire_due()
local lining_up = kinds and look_at_kinds()
flush()
local most = tonumber(ARGV[2])
if most > 0 and resting == 0 then
  claim(most)
  if #slots > 0 then
    call('HSET', H, 'epoch', text(epoch), 'B' .. text(epoch), table.concat(slots, '\0\0'))
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
return {born, text(now), #slots > 0 and text(epoch) or '0', text(wait), table.concat(late, ','), unpack(reply)}
