-- What all functions of the library share. `library.rs` puts the files together and loads them.
--
-- Functions and not scripts: a script builds its closures anew at each call, a library once. Of an empty step that was two thirds.
-- So what a call works with are variables out here, and `begin` gives each a new value.
--
-- KEYS[1] is the shard's prefix and ends in one hash tag, so all keys built from it live on one node of a cluster:
--   <p>l          hash of the lanes' meta by lane, packed (see `META`)
--   <p>k:<kind>   list of the jobs of a paused kind that claims came upon: length of the lane, lane, stored envelope
--   <p>h          hash of what else is looked up
--                   X<slot>        the one more run of a running job: stored envelope
--                   B<epoch>       a claimed batch as its step answered it (MessagePack): lane by lane its name, the count of its jobs, their envelopes
--                   A<epoch>       of that batch, the slot of the one job that runs, all others of its worker waiting; see `alone.lua`
--                   kinds          those that are paused, each as "p<kind>/", or "r<kind>/" while its jobs are lined up again
--                   shard          what it knows of itself, packed (see `SELF`)
--                   replication    see `meet.lua`
--   <p>i          hash of every job by its slot, "lane\0key": the class in which it waits, or "s<class><due ms>", or as `RUNNING` says
--   <p>q<class>:<lane>   list of stored envelopes that wait, class 0 interactive, 1 realtime, 2 bulk
--   <p>c:<lane>          list of the bins in which tokens return, between the first and the last (those are in the meta)
--   <p>y:<lane>          list of the day's bins of calls before the present one (that is in the meta)
--   <p>ring:0 <p>ring:1  lists of runnable lanes: those with an interactive job, and all others
--   <p>timer             zset by ms: L<lane> a parked lane, J<lane, stored> a scheduled job, B<epoch> a lease, T<n>:<epoch>:<slot> tokens,
--                F<cursor> a look for lanes to forget
--   <p>wake              list that holds at most one marker; idle workers block on it
--
-- A stored envelope: ms of its push (the low 40 bits), class and crashes in one byte, cost, attempt, key, payload. Where a list and the
-- index disagree the index is right: a more urgent push has replaced the listed envelope.
-- Times are ms of the server's own clock (law 9). Numbers that pass through a string stay below 2^53.
--
-- What a job costs here is the strings and tables that Lua makes for it, and each `call`. So state is read in bulk before it is
-- used and written in bulk after, and what a job only passes through stays one string.
local call, pack, unpack_, sub, byte, find = redis.call, struct.pack, struct.unpack, string.sub, string.byte, string.find

-- A lane is normal; parked until tokens come back, at a known time or not (starved); held until a time; broken until a time, then ready for
-- one job that probes it, then probing while that one runs. Or the calls of its day are spent, or what they leave to bulk for now.
local NORMAL, TOKENS, STARVED, HELD, BROKEN, PROBE, PROBING, DAY_SPENT, PACED = 0, 1, 2, 3, 4, 5, 6, 7, 8
-- Flags: in which rings it is (1, 2), paused by a person (4), jobs of a class wait (8, 16, 32), lists may hold what the index knows no more (64).
local META = '>BBHHI4I6I6HI6HBI3I4I4'

-- The index entry of a running job: RUNS, or RUNS_AGAIN where there is one more run to come; epoch of its claim, count of the lane's
-- returned tokens then, its cost. The same for all that one claim takes of a lane at one cost: one string, however many they are.
local RUNNING = '>BdI4B'
local RUNS, RUNS_AGAIN, SCHEDULED = byte('r'), byte('x'), byte('s')

-- Where class and crashes, cost, attempt and key of a stored envelope lie.
local CLASS_AT, COST_AT, ATTEMPT_AT, KEY_AT = 6, 7, 8, 10
local STAMPS = 2 ^ 40
-- The byte of class and crashes holds class + CRASH * crashes, and has room for so many.
local CRASH, MOST_CRASHES = 4, 63
-- A job that outlived so many workers is a suspect: it runs alone, and only a death alone counts further.
local SUSPECT = 2

-- Formatting is dear: numbers that are compared stay numbers, and classes have their texts here.
-- An integer as text. %d of a long, since Lua's own way and %.0f go over floating-point printing; so no number is given to `call` as it is.
local function text(number) return string.format('%d', number) end
local CLASS = {[0] = '0', [1] = '1', [2] = '2'}

-- Keys.
local P, INDEX, LANES, H, TIMER, WAKE, RING, QUEUE
local function open_shard(prefix)
  P = prefix
  INDEX, LANES, H, TIMER, WAKE = P .. 'i', P .. 'l', P .. 'h', P .. 'timer', P .. 'wake'
  RING = {[0] = P .. 'ring:0', [1] = P .. 'ring:1'}
  QUEUE = {[0] = P .. 'q0:', [1] = P .. 'q1:', [2] = P .. 'q2:'}
end

-- The limits, packed: burst, reserve, turn (16 bits each), interval, call time-out, lease, spent (32 bits each, ms).
-- `spent` is how long a lane of a shard without state must be taken for used up (law 2: lost state starts full-used). Then the
-- breaker's: failures in a row (8 bits), ms until the probe (32). Then the day's: calls, those that bulk leaves to others, ms of a bin (32 each).
local limits, BURST, RESERVE, TURN, INTERVAL, TIMEOUT, LEASE, SPENT, FAILURES, PROBE_AFTER, DAILY, DAILY_RESERVE, DAY_BIN, BIN
local function read_limits(packed)
  limits = packed
  BURST, RESERVE, TURN, INTERVAL, TIMEOUT, LEASE, SPENT, FAILURES, PROBE_AFTER, DAILY, DAILY_RESERVE, DAY_BIN =
    unpack_('>HHHI4I4I4I4BI4I4I4I4', packed)
  BIN = math.max(1, math.floor(INTERVAL / 100))
end
-- Bins of the day that count, and those over which bulk spreads what it may not have at once.
local DAY_BINS, PACE_BINS = 97, 24

-- The server's time in microseconds and in ms, and the day's bin that it is in.
local now_us, now, today

-- What the shard knows of itself: when it was born (us), until when lanes that it has not met are held, the last epoch, until when it rests. Then
-- the kinds that are paused, and how long it rests still.
local SELF = '>dddd'
local born, born_hold, last_epoch, rest, kinds, resting
local function packed_self() return pack(SELF, born, born_hold, last_epoch, rest) end

-- What is to be appended to lists by their keys, and set in hashes, until `flush`.
local appends, index_sets, lane_sets
-- Lanes by name: as they were read, and opened; and the opened ones in a row.
local raws, lanes, opened
-- The index entries that this call has read or set; false where there is none.
local entries
-- Whether a ring was added to, and whether a lane was met that was not known.
local runnable, met
-- By the number of each ring, whether it is known to be empty.
local is_empty = {}
-- When the first of what this call added to the timer is due.
local soonest

-- Begins a call: KEYS and ARGV of it, the limits being the first of ARGV.
local function begin(keys, argv)
  if keys[1] ~= P then open_shard(keys[1]) end
  if argv[1] ~= limits then read_limits(argv[1]) end
  local clock = call('TIME')
  now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  now = math.floor(now_us / 1000)
  today = math.floor(now / DAY_BIN)
  appends, index_sets, lane_sets, raws, lanes, opened, entries, runnable, met = {}, {}, {}, {}, {}, {}, {}, false, false
  is_empty[0], is_empty[1], soonest = false, false, nil
  local known = call('HMGET', H, 'shard', 'kinds')
  kinds = known[2]
  if known[1] then born, born_hold, last_epoch, rest = unpack_(SELF, known[1])
  else
    born, born_hold, last_epoch, rest = now_us, now + SPENT, 0, 0
    call('HSET', H, 'shard', packed_self())
  end
  resting = math.max(0, rest - now)
end

-- `command key v1 v2 …` in chunks: a call takes some 8,000 arguments, and law 10 wants less.
local CHUNK = 200
local function variadic(command, key, values)
  for i = 1, #values, CHUNK do
    call(command, key, unpack(values, i, math.min(i + CHUNK - 1, #values)))
  end
end

-- The values of those fields of one hash that lie from `first` to `last`, in their order; false where there is none.
local function fetch(key, fields, first, last)
  local values = {}
  for i = first, last, CHUNK do
    local part = call('HMGET', key, unpack(fields, i, math.min(i + CHUNK - 1, last)))
    if last - first < CHUNK then return part end
    for j = 1, #part do values[i - first + j] = part[j] end
  end
  return values
end

-- What is told lane by lane from `at` on: the count of each lane's jobs, a byte each; the names of the lanes; the slots of all jobs; something
-- for each job. Returns the counts, and behind which positions names, slots and the rest lie.
local function told(argv, at)
  local slots = at + #argv[at]
  return argv[at], at, slots, slots + (#argv - slots) / 2
end

-- Lets something be due at a time.
local function remind(at, what)
  call('ZADD', TIMER, text(at), what)
  if not soonest or at < soonest then soonest = at end
end

local function append(list, value)
  local values = appends[list]
  if values then values[#values + 1] = value else appends[list] = {value} end
end

local function flush()
  for list, values in pairs(appends) do variadic('RPUSH', list, values) end
  variadic('HSET', INDEX, index_sets)
  variadic('HSET', LANES, lane_sets)
  appends, index_sets, lane_sets = {}, {}, {}
end

-- Reads in one command the lanes whose names lie from `first` to `last`.
local function preload(names, first, last)
  local metas = fetch(LANES, names, first, last)
  for i = 1, #metas do
    local name = names[first + i - 1]
    if raws[name] == nil then raws[name] = metas[i] end
  end
end

-- A lane as a table: what META holds, and by the number of each class whether jobs of it wait.
local function open(name, raw)
  local m
  if raw then
    local state, flags, out, cooling, returned, hold, first, first_n, last, last_n, failures, day_bin, bin_used, day_used = unpack_(META, raw)
    -- One constructor with all fields: a table that grows is built anew at each power of two.
    m = {name = name, state = state, rings = flags % 4, paused = flags % 8 >= 4, [0] = flags % 16 >= 8, flags % 32 >= 16, flags % 64 >= 32,
      stale = flags >= 64, out = out, cooling = cooling, returned = returned, hold = hold, first = first, first_n = first_n, last = last, last_n = last_n,
      failures = failures, day_bin = day_bin, bin_used = bin_used, day_used = day_used}
  else
    m = {name = name, state = NORMAL, rings = 0, paused = false, [0] = false, false, false, stale = false, out = 0, cooling = 0, returned = 0,
      hold = 0, first = 0, first_n = 0, last = 0, last_n = 0, failures = 0, day_bin = today, bin_used = 0, day_used = 0}
    met = true
    if born_hold > now then
      m.state, m.hold = HELD, born_hold
      remind(born_hold, 'L' .. name)
    end
  end
  lanes[name] = m
  opened[#opened + 1] = m
  return m
end

-- The lane's state, read once a call and written back once by `save`.
local function lane_of(name)
  local m = lanes[name]
  if m then return m end
  local raw = raws[name]
  if raw == nil then raw = call('HGET', LANES, name) end
  return open(name, raw)
end

local function save()
  for i = 1, #opened do
    local m = opened[i]
    local flags = m.rings + (m.paused and 4 or 0) + (m[0] and 8 or 0) + (m[1] and 16 or 0) + (m[2] and 32 or 0) + (m.stale and 64 or 0)
    lane_sets[i * 2 - 1], lane_sets[i * 2] = m.name, pack(META, m.state, flags, m.out, m.cooling, m.returned % 4294967296, m.hold,
      m.first, m.first_n, m.last, m.last_n, m.failures, m.day_bin, m.bin_used, m.day_used)
  end
  if met then call('ZADD', TIMER, 'NX', text(now + DAY_BIN), 'F0') end
  flush()
end

local function read_entries(slots, first, last)
  local values = fetch(INDEX, slots, first, last)
  for i = 1, #values do entries[slots[first + i - 1]] = values[i] end
end

local function entry_of(slot)
  local entry = entries[slot]
  if entry == nil then
    entry = call('HGET', INDEX, slot)
    entries[slot] = entry
  end
  return entry
end

-- Sets an entry that this call will not read again.
local function put_entry(slot, entry)
  local n = #index_sets
  index_sets[n + 1], index_sets[n + 2] = slot, entry
end

local function set_entry(slot, entry)
  entries[slot] = entry
  put_entry(slot, entry)
end

local function lane_in(slot) return sub(slot, 1, find(slot, '\0', 1, true) - 1) end

local function wake()
  if runnable and call('EXISTS', WAKE) == 0 then call('LPUSH', WAKE, '1') end
end

-- The functions of the library by their names, as the files after this one define them.
local functions = {}
