-- One step of a worker: settles what it finished, fires what is due, claims what can run.
--
-- ARGV[2]: the most jobs to claim. ARGV[3]: count of finished batches, then their epochs. Then per settlement five values:
-- "lane\0key", epoch, verdict, packed numbers (calls sent, remaining by the server or 65535, delay in ms,
-- ms since the last call ended, remaining of the day by the server or 2^32 - 1), packed envelope
-- to run again (empty: the one that ran).
-- Verdicts: D done or dead, R run again after the delay, H back to the head of its lane; T the lane is held for the delay, B it is broken and
-- probed after the delay, and the job goes back to its head.
-- Returns: incarnation, now in ms, epoch of the claim, ms until something is due (-1: nothing known, 0: more is runnable), positions of settlements
-- that came too late, then the claimed envelopes.
-- Invariant: a job settles only with the epoch it was claimed with (law 5); tokens taken never exceed the burst within
-- one interval of the last response (law 2).
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
local function judge(m, verdict, failed, delay)
  if verdict == 'T' then hold(m, delay)
  elseif verdict == 'B' then break_off(m, delay)
  elseif failed then
    m.failures = math.min(255, m.failures + 1)
    if m.failures >= FAILURES or m.state == PROBING then break_off(m, PROBE_AFTER) end
  elseif verdict == 'D' then
    m.failures = 0
    if m.state == PROBING then unpark(m) end
  elseif m.state == PROBING then
    -- Given back or put off: nothing is known yet.
    m.state = PROBE
  end
end

-- A job that runs once more serves the push that came meanwhile too; the more urgent of the two decides its class.
local function serving_both(stored, class, extra)
  if not extra or head_of(extra) >= class then return stored, class end
  class = head_of(extra)
  return sub(stored, 1, 8) .. string.char(class) .. sub(stored, 10), class
end

-- Fields of the hash that settlements end.
local ended = {}

local function settle(position, lane, key, slot, running, extra, epoch, verdict, numbers, replacement)
  local used, remaining, delay, since, daily_remaining = unpack_('>HHI4I4I4', numbers)
  -- Tokens come back one interval after the response, not after the settlement.
  local back = now - since + INTERVAL
  local m = lanes[lane]
  thaw(m)
  spend_day(m, used, daily_remaining)
  local claimed, returned, stored
  if running then
    claimed, returned = unpack_('>dI4', running)
    stored = sub(running, 13)
  end
  if not running or claimed ~= tonumber(epoch) then
    -- Too late: the job is another's. The calls it sent are counted all the same.
    cool(m, used, back)
    late[#late + 1] = position
    return
  end
  local class, cost = head_of(stored)
  ended[#ended + 1] = 'R' .. slot
  m.out = m.out - cost
  cool(m, used, back)
  put_aside_for_other_clients(m, remaining, returned)
  -- Only a failed run comes with an envelope that counts it.
  judge(m, verdict, verdict == 'R' and replacement ~= '', delay)

  if extra then ended[#ended + 1] = 'X' .. slot end
  if verdict == 'D' then
    if extra then enqueue(m, head_of(extra), key, extra, false) end
  else
    if replacement ~= '' then stored = sub(stored, 1, 8) .. replacement end
    stored, class = serving_both(stored, class, extra)
    if verdict == 'R' and delay > 0 then schedule(m, key, stored, now + delay)
    else enqueue(m, class, key, stored, verdict ~= 'R') end
  end
  -- A settlement that freed nothing changes nothing for a lane whose next return is known.
  if cost > used or m.state == STARVED then reconsider(m) end
end

-- Settles what ARGV tells from `first` on: reads everything in bulk, then goes through it.
local function settle_all(first)
  local names, fields, all = {}, {}, {}
  for i = first, #ARGV, 5 do
    local slot = ARGV[i]
    local cut = string.find(slot, '\0', 1, true)
    local lane = sub(slot, 1, cut - 1)
    all[#all + 1] = {lane, sub(slot, cut + 1), slot}
    names[#names + 1] = lane
    fields[#fields + 1] = 'R' .. slot
    fields[#fields + 1] = 'X' .. slot
  end
  if #all == 0 then return end
  preload(names)
  local values = fetch(H, fields)
  for n = 1, #all do
    local lane, key, slot = unpack(all[n])
    local i = first + (n - 1) * 5
    settle(n - 1, lane, key, slot, values[n * 2 - 1], values[n * 2], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  end
  variadic('HDEL', H, ended)
  flush()
end

-- Returns how many jobs the lease was for.
local function fire_lease(epoch)
  local slots = call('HGET', H, 'B' .. epoch)
  call('HDEL', H, 'B' .. epoch)
  if not slots then return 0 end
  local at, jobs = 1, 0
  while at <= #slots do
    local slot
    jobs = jobs + 1
    slot, at = unpack_('>Hc0', slots, at)
    local running = call('HGET', H, 'R' .. slot)
    if running and (unpack_('>d', running)) == tonumber(epoch) then
      local stored = sub(running, 13)
      local class, cost, crashes, attempt, lane, key = head_of(stored)
      local m = lane_of(lane)
      -- Nobody knows what it sent, or when the last call arrives: its tokens stay away for time-out and interval.
      call('ZADD', TIMER, now + TIMEOUT + INTERVAL, 'T' .. cost .. ':' .. epoch .. ':' .. slot)
      stored = sub(stored, 1, 10) .. string.char(math.min(255, crashes + 1)) .. sub(stored, 12)
      stored, class = serving_both(stored, class, call('HGET', H, 'X' .. slot))
      call('HDEL', H, 'R' .. slot, 'X' .. slot)
      enqueue(m, class, key, stored, true)
      if m.state == PROBING then
        m.state = PROBE
        activate(m)
      end
    end
  end
  return jobs
end

local function fire_scheduled(stored, score)
  local class, cost, crashes, attempt, lane, key = head_of(stored)
  local m = lane_of(lane)
  if entry_of(m, key) == 's' .. score then enqueue(m, class, key, stored, false) end
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
  local m = lane_of(sub(slot, 1, string.find(slot, '\0', 1, true) - 1))
  thaw(m)
  m.out = m.out - tonumber(cost)
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
    if kind == 'J' then fire_scheduled(rest, text(tonumber(due[i + 1])))
    elseif kind == 'L' then fire_lane(rest)
    elseif kind == 'B' then fired = fired + fire_lease(rest)
    else fire_tokens(rest) end
  end
end

local epoch = nil
local claimed, slots = {}, {}
-- Entries passed over, since a more urgent one of their key ran in their place.
local replaced = 0

local function claim_epoch()
  if epoch then return epoch end
  -- Above every earlier epoch, also of an earlier life of this server: records are fenced by it.
  epoch = math.max(now_us, tonumber(call('HGET', H, 'epoch') or '0') + 1)
  call('HSET', H, 'epoch', text(epoch))
  return epoch
end

local function take(m, key, stored, cost)
  m.out = m.out + cost
  local slot = m.name .. '\0' .. key
  claimed[#claimed + 1] = stored
  slots[#slots + 1] = pack('>Hc0', #slot, slot)
  later(sets, H, 'R' .. slot, pack('>dI4', claim_epoch(), m.returned % 4294967296) .. stored)
end

-- Claims up to `most` jobs of one class of a lane; how many, and how to park the lane where the next one can't be paid for.
local function serve_class(m, class, most)
  local list, index = P .. 'q' .. CLASS[class] .. ':' .. m.name, P .. 'd:' .. m.name
  local heads = call('LRANGE', list, 0, most - 1)
  local keys, costs = {}, {}
  for i = 1, #heads do
    local _, cost, _, _, _, key = head_of(heads[i])
    keys[i], costs[i] = key, cost
  end
  local entries = fetch(index, keys)
  local kept, kept_today = 0, 0
  if class == 2 then kept, kept_today = RESERVE, DAILY_RESERVE end
  local taken, gone, broke = {}, 0, nil
  for i = 1, #heads do
    if entries[i] == CLASS[class] then
      if costs[i] > day_left(m) - kept_today then
        broke = park_for_day
        break
      elseif costs[i] > free(m) - kept then
        broke = park_for_tokens
        break
      end
      take(m, keys[i], heads[i], costs[i])
      taken[#taken + 1] = keys[i]
    end
    -- Else it was replaced by a more urgent entry of the same key, or is its own second entry.
    for j = i + 1, #heads do
      if keys[j] == keys[i] then entries[j] = false end
    end
    gone = i
  end
  replaced = replaced + gone - #taken
  if gone > 0 then call('LPOP', list, gone) end
  if #taken > 0 then variadic('HDEL', index, taken) end
  -- An empty list is not there: the count can't drift.
  m['w' .. class] = #heads == 0 and 0 or m['w' .. class] - gone
  return #taken, broke
end

-- Claims up to `most` jobs of a lane, the most urgent class first; `hottest` alone where only interactive ones are wanted.
local function serve(m, most, hottest)
  thaw(m)
  turn_day(m)
  while most > 0 and replaced < LIMIT_REPLACED do
    local class = (m.w0 > 0 and 0) or (m.w1 > 0 and 1) or (m.w2 > 0 and 2)
    if not class or (hottest and class > 0) then return end
    local taken, broke = serve_class(m, class, most)
    if broke then
      broke(m)
      return
    end
    most = most - taken
  end
end

local function claim(most)
  local visited = 0
  while #claimed < most and visited < LIMIT_LANES and replaced < LIMIT_REPLACED do
    -- No more lanes than are needed if each gives a full turn: what is popped is visited.
    local wanted = math.ceil((most - #claimed) / TURN)
    local hot = true
    local names = call('LPOP', RING[0], wanted)
    if not names then
      hot = false
      names = call('LPOP', RING[1], wanted)
    end
    if not names then return end
    preload(names)
    for i = 1, #names do
      local m = lanes[names[i]]
      m.rings = m.rings - (hot and 1 or 2)
      if not m.paused and m.state == NORMAL then
        serve(m, math.min(TURN, most - #claimed), hot)
        activate(m)
      elseif not m.paused and m.state == PROBE then
        local before = #claimed
        serve(m, 1, hot)
        if #claimed > before then m.state = PROBING
        elseif m.state ~= PROBE then break_off(m, INTERVAL)
        else activate(m) end
      end
    end
    visited = visited + #names
    flush()
  end
end

local position = 3 + tonumber(ARGV[3]) + 1
for i = 4, position - 1 do
  call('HDEL', H, 'B' .. ARGV[i])
  call('ZREM', TIMER, 'B' .. ARGV[i])
end
settle_all(position)
fire_due()
flush()
local most = tonumber(ARGV[2])
if most > 0 then
  claim(most)
  if #claimed > 0 then
    later(sets, H, 'B' .. text(epoch), table.concat(slots))
    call('ZADD', TIMER, now + LEASE, 'B' .. text(epoch))
  end
end
save()

local wait = -1
runnable = call('EXISTS', RING[0], RING[1]) > 0
if runnable then
  wait = 0
  wake()
else
  local next_due = call('ZRANGE', TIMER, 0, 0, 'WITHSCORES')
  if next_due[2] then wait = math.max(0, math.ceil(tonumber(next_due[2])) - now) end
end
local reply = {call('HGET', H, 'born'), text(now), text(epoch or 0), text(wait), table.concat(late, ',')}
for i = 1, #claimed do reply[#reply + 1] = claimed[i] end
return reply
