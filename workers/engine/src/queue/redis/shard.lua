-- What every script of a shard shares; `redis.rs` puts it before each of them.
--
-- KEYS[1] is the shard's prefix and ends in one hash tag, so all keys built from it live on one node of a cluster:
--   <p>h          hash of everything that is looked up
--                   L<lane>        the lane's meta, packed (see `META`)
--                   R<lane>\0<key> a running job: epoch, count of returned tokens at its claim, stored envelope
--                   X<lane>\0<key> the one more run of a running job: stored envelope
--                   B<epoch>       the slots of a claimed batch, each "lane\0key", packed
--                   epoch, born, hold
--   <p>q<class>:<lane>   list of stored envelopes that wait, class 0 interactive, 1 realtime, 2 bulk
--   <p>d:<lane>          hash key -> class it waits in, or "s<due ms>": which waiting or scheduled entry is the true one
--   <p>c:<lane>          list of the bins in which tokens return, between the first and the last (those are in the meta)
--   <p>y:<lane>          list of the day's bins of calls before the present one (that is in the meta)
--   <p>ring:0 <p>ring:1  lists of runnable lanes: those with an interactive job, and all others
--   <p>timer             zset by ms: L<lane> a parked lane, J<stored> a scheduled job, B<epoch> a lease, T<n>:<epoch>:<lane> tokens
--   <p>wake              list that holds at most one marker; idle workers block on it
--
-- A stored envelope: ms of its push (double), class, cost, crashes, attempt (16 bits), lane, key, payload.
-- Times are ms of the server's own clock (law 9). Numbers that pass through a string stay below 2^53.
local P = KEYS[1]
local H, TIMER, WAKE = P .. 'h', P .. 'timer', P .. 'wake'
local RING = {[0] = P .. 'ring:0', [1] = P .. 'ring:1'}
local call, pack, unpack_, sub = redis.call, struct.pack, struct.unpack, string.sub

local clock = call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(now_us / 1000)

-- ARGV[1]: limits, packed: burst, reserve, turn (16 bits each), interval, call time-out, lease, spent (32 bits each, ms).
-- `spent` is how long a lane of a shard without state must be taken for used up (law 2: lost state starts full-used). Then the
-- breaker's: failures in a row (8 bits), ms until the probe (32). Then the day's: calls, those that bulk leaves to others, ms of a bin (32 each).
local BURST, RESERVE, TURN, INTERVAL, TIMEOUT, LEASE, SPENT, FAILURES, PROBE_AFTER, DAILY, DAILY_RESERVE, DAY_BIN =
  unpack_('>HHHI4I4I4I4BI4I4I4I4', ARGV[1])
local DAY_BINS = 97
local BIN = math.max(1, math.floor(INTERVAL / 100))

-- A lane is normal; parked until tokens come back, at a known time or not (starved); held until a time; broken until a time, then ready for
-- one job that probes it, then probing while that one runs. Or the calls of its day are spent.
local NORMAL, TOKENS, STARVED, HELD, BROKEN, PROBE, PROBING, DAY_SPENT = 0, 1, 2, 3, 4, 5, 6, 7
-- Flags: in which rings it is (1, 2), paused by a person (4).
local PAUSED = 4
local META = '>BBHHI4I4I4I4ddHdHBI4I4I4'

-- Formatting is dear: numbers that are compared stay numbers, and classes have their texts here.
local function text(number) return string.format('%.0f', number) end
local CLASS = {[0] = '0', [1] = '1', [2] = '2'}

local born_hold = call('HGET', H, 'hold')
if not born_hold then
  born_hold = now + SPENT
  call('HSET', H, 'born', text(now_us), 'hold', text(born_hold))
else
  born_hold = tonumber(born_hold)
end

-- Redis' commands dominate the cost of a script, so state is read in bulk before it is used and written in bulk after.

-- `command key v1 v2 …` in chunks: a call takes some 8,000 arguments, and law 10 wants less.
local CHUNK = 200
local function variadic(command, key, values)
  for i = 1, #values, CHUNK do
    call(command, key, unpack(values, i, math.min(i + CHUNK - 1, #values)))
  end
end

-- The values of many fields of one hash, false where there is none.
local function fetch(key, fields)
  local values = {}
  for i = 1, #fields, CHUNK do
    local part = call('HMGET', key, unpack(fields, i, math.min(i + CHUNK - 1, #fields)))
    for j = 1, #part do values[i + j - 1] = part[j] end
  end
  return values
end

-- What is to be appended to lists and set in hashes, by their keys, until `flush`.
local appends, sets = {}, {}

local function later(box, key, ...)
  local values = box[key]
  if not values then
    values = {}
    box[key] = values
  end
  for i = 1, select('#', ...) do values[#values + 1] = (select(i, ...)) end
end

local function flush()
  for key, values in pairs(appends) do variadic('RPUSH', key, values) end
  for key, values in pairs(sets) do variadic('HSET', key, values) end
  appends, sets = {}, {}
end

local lanes, touched = {}, {}

local function read_lane(name, raw)
  local m = {name = name, entries = {}}
  if raw then
    local flags
    m.state, flags, m.out, m.cooling, m.w0, m.w1, m.w2, m.returned, m.hold, m.first, m.first_n, m.last, m.last_n, m.failures,
      m.day_bin, m.bin_used, m.day_used = unpack_(META, raw)
    m.rings, m.paused = flags % PAUSED, flags >= PAUSED
  else
    m.state, m.rings, m.out, m.cooling, m.w0, m.w1, m.w2, m.returned, m.hold, m.first, m.first_n, m.last, m.last_n, m.failures,
      m.day_bin, m.bin_used, m.day_used = NORMAL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    m.paused = false
    if born_hold > now then
      m.state, m.hold = HELD, born_hold
      call('ZADD', TIMER, born_hold, 'L' .. name)
    end
  end
  lanes[name] = m
  touched[#touched + 1] = m
  return m
end

-- Reads the lanes among `names` that have not been read yet, in one command.
local function preload(names)
  local missing, fields = {}, {}
  for i = 1, #names do
    local name = names[i]
    if lanes[name] == nil then
      lanes[name] = false
      missing[#missing + 1] = name
      fields[#fields + 1] = 'L' .. name
    end
  end
  local raws = fetch(H, fields)
  for i = 1, #missing do read_lane(missing[i], raws[i]) end
end

-- The lane's state, read once a call and written back once by `save`.
local function lane_of(name)
  return lanes[name] or read_lane(name, call('HGET', H, 'L' .. name))
end

local function save()
  for i = 1, #touched do
    local m = touched[i]
    later(sets, H, 'L' .. m.name, pack(META, m.state, m.rings + (m.paused and PAUSED or 0), m.out, m.cooling, m.w0, m.w1, m.w2,
      m.returned % 4294967296, m.hold, m.first, m.first_n, m.last, m.last_n, m.failures, m.day_bin, m.bin_used, m.day_used))
  end
  flush()
end

-- Where a key of the lane waits or is scheduled, as the index says, with what this call has changed; nil where nowhere.
local function entry_of(m, key)
  local entry = m.entries[key]
  if entry == nil then entry = call('HGET', P .. 'd:' .. m.name, key) end
  return entry or nil
end

local function set_entry(m, key, entry)
  m.entries[key] = entry
  later(sets, P .. 'd:' .. m.name, key, entry)
end

-- Puts `n` tokens aside until `at`. Bins are first in, first out, so one never returns before its predecessor.
local function cool(m, n, at)
  if n <= 0 then return end
  at = math.ceil(at / BIN) * BIN
  m.cooling = m.cooling + n
  if m.first_n == 0 then m.first, m.first_n = at, n
  elseif m.last_n == 0 then
    if at <= m.first then m.first_n = m.first_n + n else m.last, m.last_n = at, n end
  elseif at <= m.last then m.last_n = m.last_n + n
  else
    call('RPUSH', P .. 'c:' .. m.name, pack('>dH', m.last, m.last_n))
    m.last, m.last_n = at, n
  end
end

-- Takes back the tokens whose bins are over.
local function thaw(m)
  while m.first_n > 0 and m.first <= now do
    m.cooling = m.cooling - m.first_n
    m.returned = m.returned + m.first_n
    local bin = call('LPOP', P .. 'c:' .. m.name)
    if bin then m.first, m.first_n = unpack_('>dH', bin)
    else
      m.first, m.first_n = m.last, m.last_n
      m.last_n = 0
    end
  end
end

-- Closes the day's bin when its time is over, and forgets those that are 24 h old.
local function turn_day(m)
  local bin = math.floor(now / DAY_BIN)
  if m.day_bin == bin then return end
  local list = P .. 'y:' .. m.name
  if m.bin_used > 0 then
    call('RPUSH', list, pack('>I4I4', m.day_bin, m.bin_used))
    m.day_used = m.day_used + m.bin_used
  end
  m.day_bin, m.bin_used = bin, 0
  local oldest = call('LINDEX', list, 0)
  while oldest do
    local then_, used = unpack_('>I4I4', oldest)
    if then_ + DAY_BINS > bin then return end
    m.day_used = m.day_used - used
    call('LPOP', list)
    oldest = call('LINDEX', list, 0)
  end
end

local function day_left(m) return DAILY - m.day_used - m.bin_used - m.out end

-- Counts calls that were sent. The server, which counts every client, may know of more (law 3).
local function spend_day(m, used, remaining)
  turn_day(m)
  m.bin_used = m.bin_used + used
  if remaining ~= 4294967295 then
    m.bin_used = m.bin_used + math.max(0, (DAILY - remaining) - (m.day_used + m.bin_used))
  end
end

local function free(m) return BURST - m.out - m.cooling end

local runnable = false

local function ring(m, hot)
  local bit = hot and 1 or 2
  runnable = true
  if m.rings == 3 or m.rings == bit then return end
  m.rings = m.rings + bit
  later(appends, RING[hot and 0 or 1], m.name)
end

-- Puts a lane that is not parked where a claim will find it.
local function activate(m)
  if m.paused or (m.state ~= NORMAL and m.state ~= PROBE) then return end
  if m.w0 > 0 then ring(m, true) end
  if m.w1 + m.w2 > 0 then ring(m, false) end
end

local function unpark(m)
  m.state = NORMAL
  activate(m)
end

-- Parks a lane that can't pay for its next job until tokens return. With all of them out nobody knows when that is:
-- the lane is starved, and the next settlement parks it anew.
local function park_for_tokens(m)
  if m.first_n > 0 then
    m.state = TOKENS
    call('ZADD', TIMER, m.first, 'L' .. m.name)
  else
    m.state = STARVED
  end
end

-- Parks a lane that may send no more today until the oldest of its calls no longer count.
local function park_for_day(m)
  local oldest = call('LINDEX', P .. 'y:' .. m.name, 0)
  local bin = oldest and unpack_('>I4', oldest) or m.day_bin
  m.state, m.hold = DAY_SPENT, (bin + DAY_BINS) * DAY_BIN
  call('ZADD', TIMER, m.hold, 'L' .. m.name)
end

-- After tokens came back or a more urgent job came: lets the lane try again.
local function reconsider(m)
  if m.state == DAY_SPENT and day_left(m) > 0 then
    m.hold = 0
    unpark(m)
  elseif m.state == TOKENS or m.state == STARVED then
    if free(m) > 0 then unpark(m)
    elseif m.state == STARVED then park_for_tokens(m) end
  end
end

-- Class, cost, crashes, attempt, lane and key of a stored envelope.
local function head_of(stored) return unpack_('>BBBHBc0Bc0', stored, 9) end

-- Lets a stored envelope wait: at the tail of its class, or at the head where it only lost its turn.
local function enqueue(m, class, key, stored, at_head)
  local list = P .. 'q' .. CLASS[class] .. ':' .. m.name
  if at_head then call('LPUSH', list, stored) else later(appends, list, stored) end
  set_entry(m, key, CLASS[class])
  m['w' .. class] = m['w' .. class] + 1
  if class < 2 then reconsider(m) end
  activate(m)
end

local function schedule(m, key, stored, due)
  due = math.floor(due)
  call('ZADD', TIMER, due, 'J' .. stored)
  set_entry(m, key, 's' .. text(due))
end

local function wake()
  if runnable and call('EXISTS', WAKE) == 0 then call('LPUSH', WAKE, '1') end
end
