-- What all functions of the library share. `library.rs` puts the files together and loads them.
--
-- Functions and not scripts: a script builds its closures anew at each call, a library once. Of an empty step that was two thirds.
-- So what a call works with are variables out here, and `begin` gives each a new value.
--
-- A function decides first and writes last: until `commit` it only reads, and what it will have written it sees in its own notes. So one that fails,
-- by a damaged value or a command that its user lost, has changed nothing.
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
--   <p>timer             zset by ms: L<lane> a lane that is stopped, J<lane, stored> a scheduled job, B<epoch> a lease, T<n>:<epoch>:<slot> tokens,
--                F<cursor> a look for lanes to forget
--   <p>aside             list of what could not be read: timers of an unknown kind, damaged envelopes with their lanes
--   <p>wake              list that holds at most one marker; idle workers block on it
--
-- A stored envelope: ms of its push (the low 40 bits), class and crashes in one byte, cost, attempt, key, payload. Where a list and the
-- index disagree the index is right: a more urgent push has replaced the listed envelope.
-- Times are ms of the server's own clock (law 9), kept from jumping: see `skew`. Numbers that pass through a string stay below 2^53.
--
-- What a job costs here is the strings and tables that Lua makes for it, and each `call`. So state is read in bulk before it is
-- used and written in bulk after, and what a job only passes through stays one string.
local call, pack, unpack_, sub, byte, find = redis.call, struct.pack, struct.unpack, string.sub, string.byte, string.find

-- What keeps a lane from paying for its next job: nothing; tokens that come back at a known time, or at none (starved); the calls of its day, or
-- what they leave to bulk for now. Apart from that stand a person's pause, the time until which the server refuses, and the circuit.
local NORMAL, TOKENS, STARVED, DAY_SPENT, PACED = 0, 1, 2, 3, 4
-- A circuit that is open lets one job probe from a time on; while that one runs it is probing, and the probe's epoch reports its run from others.
local CLOSED, OPEN, PROBING = 0, 1, 2
-- Flags: in which rings it is (1, 2), paused by a person (4), jobs of a class wait (8, 16, 32), lists may hold what the index knows no more (64),
-- `MORE` follows (128). State, failures in a row, tokens out, cooling, returned; until when it is parked; first bin, its count, last bin, its
-- count; the day's bin, its calls, those of the bins before.
local META, META_SIZE = '>BBBI4I4I4I6I6I4I6I4I4I4I4', 53
-- The circuit, the epoch of its probe, from when on it is probed; until when the server refuses; calls of others today by the server's word, and when that
-- was said; the server's limits where they were reported, for an interval and for a day, and when.
local MORE = '>BdI6I6I4I6HI4I6'

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
-- `spent` is how long a shard without state must be taken for used up (law 2: lost state starts full-used). Then the
-- breaker's: failures in a row (8 bits), ms until the probe (32). Then the day's: calls, those that bulk leaves to others, ms of a bin (32 each).
local limits, BURST, RESERVE, TURN, INTERVAL, TIMEOUT, LEASE, SPENT, FAILURES, PROBE_AFTER, DAILY, DAILY_RESERVE, DAY_BIN, BIN
-- How long calls that nobody knows of may count: a ms that began counts as a whole.
local UNKNOWN_CALLS
local function read_limits(packed)
  limits = packed
  BURST, RESERVE, TURN, INTERVAL, TIMEOUT, LEASE, SPENT, FAILURES, PROBE_AFTER, DAILY, DAILY_RESERVE, DAY_BIN =
    unpack_('>HHHI4I4I4I4BI4I4I4I4', packed)
  BIN = math.max(1, math.floor(INTERVAL / 100))
  UNKNOWN_CALLS = INTERVAL + TIMEOUT + LEASE + 1
end
-- Bins of the day that count (see `limit.rs`), and those over which bulk spreads what it may not have at once.
local DAY_BINS, PACE_BINS = 98, 24

-- The queue's time in microseconds and in ms, and the day's bin that it is in.
local now_us, now, today

-- What the shard knows of itself: when it was born (us), until when it rests, since calls may be under way that it does not know of; the last epoch;
-- by how many ms the queue's time is ahead of the server's clock, which was set back so far, and how often a clock was set; the time of its last
-- claim; lanes with an interactive job that had a turn since others had one; by its run id, the server that wrote it, and as what node of a cluster.
local SELF = '>dddddddc16c16'
local born, rest, last_epoch, skew, steps, seen, turns, host, node
-- Whether it has to be written; the kinds that are paused; how long it rests still.
local self_changed, kinds, resting
-- The run id of this server, which changes with each start, and a replica has another; and its name in its cluster, which stays.
local own, own_node

-- What this call will have written, by `commit`. Lists by their keys, and in a row; fields and values in a row; fields that go.
local lists, touched, appended, index_sets, index_dels, hash_sets, hash_dels, lane_dels, key_dels, timer_adds, timer_rems
-- Lanes by name: as they were read, and opened; and the opened ones in a row.
local raws, lanes, opened
-- The index entries that this call has read or set, and the runs that follow others; false where there is none.
local entries, extras
-- Whether a ring was added to, and whether a lane was met that was not known.
local runnable, met
-- When the first of what this call added to the timer is due.
local soonest

local function set_now(us)
  now_us = us
  now = math.floor(us / 1000)
  today = math.floor(now / DAY_BIN)
end

-- The server's clock was set back by at least so much: the queue's time goes on, so that all that was to come back at a time does so after the
-- same wait.
local function went_back(by)
  skew, steps, self_changed = skew + by, steps + 1, true
  set_now(now_us + by * 1000)
end

-- Calls may be under way that the state does not know of: nothing is claimed until none of them counts. Nobody can end that.
local function rest_fully()
  rest, self_changed = math.max(rest, now + UNKNOWN_CALLS), true
  resting = math.max(0, rest - now)
end

local function who_am_i()
  local info, name = call('INFO', 'server'), nil
  -- Of a user that may not ask it is unknown.
  if find(info, 'redis_mode:cluster', 1, true) then name = redis.pcall('CLUSTER', 'MYID') end
  own, own_node = sub(string.match(info, 'run_id:(%x+)'), 1, 16), string.rep(' ', 16)
  if type(name) == 'string' then own_node = sub(name, 1, 16) end
end

-- Whether what another server wrote is all here: its slot was moved to this node. A replica that took its place knows of a master before it.
local function was_moved()
  local unknown = string.rep(' ', 16)
  if node == own_node or node == unknown or own_node == unknown then return false end
  return not find(string.match(call('INFO', 'replication'), 'master_replid2:(%x+)'), '[^0]')
end

-- Begins a call: KEYS and ARGV of it, the limits being the first of ARGV.
local function begin(keys, argv)
  if keys[1] ~= P then open_shard(keys[1]) end
  if argv[1] ~= limits then read_limits(argv[1]) end
  if not own then who_am_i() end
  lists, touched, appended, index_sets, index_dels, hash_sets, hash_dels, lane_dels, key_dels = {}, {}, {}, {}, {}, {}, {}, {}, {}
  timer_adds, timer_rems, raws, lanes, opened, entries, extras = {}, {}, {}, {}, {}, {}, {}
  runnable, met, self_changed, soonest = false, false, false, nil
  local clock = call('TIME')
  local us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  local known = call('HMGET', H, 'shard', 'kinds')
  kinds = known[2]
  if known[1] then
    born, rest, last_epoch, skew, steps, seen, turns, host, node = unpack_(SELF, known[1])
    set_now(us + skew * 1000)
    if now < seen then went_back(seen - now) end
    -- Another server wrote it, or this one before it was started anew: its last writes may be missing, and with them tokens that were taken.
    if host ~= own then
      if not was_moved() then
        born = now_us
        rest_fully()
      end
      host, node, self_changed = own, own_node, true
    end
  else
    set_now(us)
    born, rest, last_epoch, skew, steps, seen, turns, host, node, self_changed = now_us, now + SPENT, 0, 0, 0, now, 0, own, own_node, true
  end
  resting = math.max(0, rest - now)
end

-- `command key v1 v2 …` in chunks: a call takes some 8,000 arguments, and law 10 wants less.
local CHUNK = 200
local function variadic(command, key, values, first)
  for i = first or 1, #values, CHUNK do
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

-- What is reported lane by lane from `at` on: the count of each lane's jobs, a byte each; the names of the lanes; the slots of all jobs; something
-- for each job. Returns the counts, and behind which positions names, slots and the rest lie.
local function reported(argv, at)
  local slots = at + #argv[at]
  return argv[at], at, slots, slots + (#argv - slots) / 2
end

-- Lets something be due at a time.
local function remind(at, what)
  timer_adds[what] = at
  if not soonest or at < soonest then soonest = at end
end

-- A list as this call sees it: what was put in front of it; what is stored behind the `popped` first values, of which so many are known to be there,
-- and no more where it `ends`; and what was appended, of which so many are `gone` again. Of one that is only appended to there is nothing else.
local function list_of(key)
  local list = lists[key]
  if not list then
    list = {popped = 0, known = 0, ends = false, gone = 0}
    lists[key] = list
    touched[#touched + 1] = key
  elseif not list.popped then
    list.popped, list.known, list.ends, list.gone = 0, 0, false, 0
    touched[#touched + 1] = key
  end
  return list
end

local function append(key, value)
  local list = lists[key]
  if not list then
    lists[key] = {value}
    appended[#appended + 1] = key
    return
  end
  local n = #list
  if n == 0 then appended[#appended + 1] = key end
  list[n + 1] = value
end

-- Behind what this call has put in front before: what comes back together keeps its order.
local function put_in_front(key, value)
  local list = list_of(key)
  if list.front then list.front[#list.front + 1] = value else list.front, list.front_gone = {value}, 0 end
end

-- The first values of a list, at most so many.
local function peek(key, most)
  local list, values, n = list_of(key), {}, 0
  local front = list.front
  if front then
    for i = list.front_gone + 1, math.min(#front, list.front_gone + most) do
      n = n + 1
      values[n] = front[i]
    end
  end
  if n < most and not (list.ends and list.popped >= list.known) then
    -- One more than is wanted: whether there are others is known then without another look.
    local wanted = most - n
    local stored = call('LRANGE', key, text(list.popped), text(list.popped + wanted))
    list.known, list.ends = list.popped + #stored, #stored <= wanted
    if not list.ends then stored[#stored] = nil end
    if n == 0 then values, n = stored, #stored
    else
      for i = 1, #stored do values[n + i] = stored[i] end
      n = n + #stored
    end
  end
  for i = list.gone + 1, math.min(#list, list.gone + most - n) do values[#values + 1] = list[i] end
  return values
end

-- Takes so many of the values off that `peek` has shown.
local function drop(key, count)
  local list = list_of(key)
  if list.front then
    local of_front = math.min(count, #list.front - list.front_gone)
    list.front_gone, count = list.front_gone + of_front, count - of_front
  end
  local of_stored = list.ends and math.min(count, list.known - list.popped) or count
  list.popped, list.gone = list.popped + of_stored, list.gone + count - of_stored
end

local function is_empty(key)
  local list = list_of(key)
  if list.front and list.front_gone < #list.front or list.gone < #list or list.popped < list.known then return false end
  return list.ends or not peek(key, 1)[1]
end

-- Reads in one command the lanes whose names lie from `first` to `last`.
local function preload(names, first, last)
  local metas = fetch(LANES, names, first, last)
  for i = 1, #metas do
    local name = names[first + i - 1]
    if raws[name] == nil then raws[name] = metas[i] end
  end
end

-- A lane as a table: what META and MORE hold, and by the number of each class whether jobs of it wait.
local function open(name, raw)
  local m
  if raw then
    local flags, state, failures, out, cooling, returned, parked, first, first_n, last, last_n, day_bin, bin_used, day_used = unpack_(META, raw)
    local circuit, probe, probe_at, hold, others, others_at, burst, daily, limits_at = CLOSED, 0, 0, 0, 0, 0, 0, 0, 0
    if flags >= 128 then
      flags = flags - 128
      circuit, probe, probe_at, hold, others, others_at, burst, daily, limits_at = unpack_(MORE, raw, META_SIZE + 1)
    end
    -- One constructor with all fields: a table that grows is built anew at each power of two.
    m = {name = name, state = state, rings = flags % 4, paused = flags % 8 >= 4, [0] = flags % 16 >= 8, flags % 32 >= 16, flags % 64 >= 32,
      stale = flags >= 64, failures = failures, out = out, cooling = cooling, returned = returned, parked = parked, first = first, first_n = first_n,
      last = last, last_n = last_n, day_bin = day_bin, bin_used = bin_used, day_used = day_used, circuit = circuit, probe = probe, probe_at = probe_at,
      hold = hold, others = others, others_at = others_at, burst = burst, daily = daily, limits_at = limits_at}
  else
    m = {name = name, state = NORMAL, rings = 0, paused = false, [0] = false, false, false, stale = false, failures = 0, out = 0, cooling = 0,
      returned = 0, parked = 0, first = 0, first_n = 0, last = 0, last_n = 0, day_bin = today, bin_used = 0, day_used = 0, circuit = CLOSED, probe = 0,
      probe_at = 0, hold = 0, others = 0, others_at = 0, burst = 0, daily = 0, limits_at = 0}
    met = true
  end
  lanes[name] = m
  opened[#opened + 1] = m
  return m
end

-- The lane's state, read once a call and written back once by `commit`.
local function lane_of(name)
  local m = lanes[name]
  if m then return m end
  local raw = raws[name]
  if raw == nil then raw = call('HGET', LANES, name) end
  return open(name, raw)
end

local function packed(m)
  local more = m.circuit ~= CLOSED or m.hold > now or m.others_at > 0 or m.limits_at > 0
  local flags = m.rings + (m.paused and 4 or 0) + (m[0] and 8 or 0) + (m[1] and 16 or 0) + (m[2] and 32 or 0) + (m.stale and 64 or 0)
  local meta = pack(META, flags + (more and 128 or 0), m.state, m.failures, m.out, m.cooling, m.returned % 4294967296, m.parked, m.first, m.first_n,
    m.last, m.last_n, m.day_bin, m.bin_used, m.day_used)
  if not more then return meta end
  return meta .. pack(MORE, m.circuit, m.probe, m.probe_at, m.hold, m.others, m.others_at, m.burst, m.daily, m.limits_at)
end

-- What this call has set stands: its writes reach the index at the end.
local function read_entries(slots, first, last)
  local values = fetch(INDEX, slots, first, last)
  for i = 1, #values do
    local slot = slots[first + i - 1]
    if entries[slot] == nil then entries[slot] = values[i] end
  end
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

local function put_hash(field, value)
  local n = #hash_sets
  hash_sets[n + 1], hash_sets[n + 2] = field, value
end

-- The one more run of a running job.
local function extra_of(slot)
  local extra = extras[slot]
  if extra == nil then
    extra = call('HGET', H, 'X' .. slot)
    extras[slot] = extra
  end
  return extra
end

local function set_extra(slot, stored)
  extras[slot] = stored
  if stored then put_hash('X' .. slot, stored) else hash_dels[#hash_dels + 1] = 'X' .. slot end
end

local function lane_in(slot) return sub(slot, 1, find(slot, '\0', 1, true) - 1) end

-- Puts away what nobody can read, for a person to look at.
local function set_aside(what) append(P .. 'aside', what) end

-- A user may have lost a command since it was looked at (`able.lua`): with one of these missing a half would be written.
local function may(command, key, ...)
  if not redis.acl_check_cmd(command, key, ...) then error('NOPERM the Redis user lacks ' .. command) end
end

-- Writes what the call has decided, and all of it: whatever can fail has been done before.
local function commit()
  local wakes = runnable and call('EXISTS', WAKE) == 0
  local adds = {}
  for what, at in pairs(timer_adds) do
    local n = #adds
    adds[n + 1], adds[n + 2] = text(at), what
  end
  local sets = {}
  for i = 1, #opened do
    local m = opened[i]
    if m.bins and m.bin_at > 1 then
      drop(P .. 'c:' .. m.name, m.bin_at - 1)
      m.bins = nil
    end
    sets[i * 2 - 1], sets[i * 2] = m.name, packed(m)
  end
  if self_changed then put_hash('shard', pack(SELF, born, rest, last_epoch, skew, steps, now, turns, host, node)) end

  local pops, pushes
  for i = 1, #touched do
    local list = lists[touched[i]]
    if list.popped > 0 and list.ends and list.popped >= list.known then
      -- All of it is taken: many such lists go by one command.
      key_dels[#key_dels + 1], list.popped = touched[i], 0
    end
    pops = pops or list.popped > 0
    pushes = pushes or list.front and list.front_gone < #list.front
  end
  if pops then may('LPOP', H, '1') end
  if pushes or wakes then may('LPUSH', H, '1') end
  if appended[1] then may('RPUSH', H, '1') end
  if sets[1] or index_sets[1] or hash_sets[1] then may('HSET', H, '1', '1') end
  if index_dels[1] or hash_dels[1] or lane_dels[1] then may('HDEL', H, '1') end
  if adds[1] or met then may('ZADD', H, '1', '1') end
  if timer_rems[1] then may('ZREM', H, '1') end
  if key_dels[1] then may('DEL', H) end

  for i = 1, #key_dels, CHUNK do call('DEL', unpack(key_dels, i, math.min(i + CHUNK - 1, #key_dels))) end
  for i = 1, #touched do
    local key = touched[i]
    local list = lists[key]
    if list.popped > 0 then call('LPOP', key, text(list.popped)) end
    local front = list.front
    if front and list.front_gone < #front then
      local turned = {}
      for j = #front, list.front_gone + 1, -1 do turned[#turned + 1] = front[j] end
      variadic('LPUSH', key, turned)
    end
  end
  for i = 1, #appended do
    local key = appended[i]
    local list = lists[key]
    local first = list.gone and list.gone + 1 or 1
    if first == #list then call('RPUSH', key, list[first]) else variadic('RPUSH', key, list, first) end
  end
  -- What has ended may be set anew.
  variadic('HDEL', INDEX, index_dels)
  variadic('HSET', INDEX, index_sets)
  variadic('HSET', LANES, sets)
  variadic('HDEL', LANES, lane_dels)
  variadic('HDEL', H, hash_dels)
  variadic('HSET', H, hash_sets)
  variadic('ZREM', TIMER, timer_rems)
  variadic('ZADD', TIMER, adds)
  if met and not timer_adds.F0 then call('ZADD', TIMER, 'NX', text(now + DAY_BIN), 'F0') end
  if wakes then call('LPUSH', WAKE, '1') end
end

-- The functions of the library by their names, as the files after this one define them.
local functions = {}
