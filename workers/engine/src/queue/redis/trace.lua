-- What each function has done, a line of JSON each, in the order in which they ran; see `trace.rs`. Only in the library of a queue that is traced.
--
--   <p>trace      list of the lines that nobody has fetched yet
--   <p>traced     hash: n, how many there were; of, the life of the state in which the first was written
do
local function stored_in(stored, slot)
  return {slot = slot, class = class_in(stored), crashes = math.floor(byte(stored, CLASS_AT) / CRASH), cost = byte(stored, COST_AT),
    attempt = byte(stored, ATTEMPT_AT)}
end

-- An empty table would be written as an object.
local function some(list) return next(list) and list or nil end

local input = {}

function input.push(argv, reply, line)
  local counts, names, slots, packed = reported(argv, 3)
  local pushed, job = {}, 0
  for lane = 1, #counts do
    for _ = 1, byte(counts, lane) do
      job = job + 1
      local one = stored_in('12345' .. argv[packed + job], argv[slots + job])
      one.delay = argv[2] == '' and '0' or text(unpack_('>d', argv[2], (job - 1) * 8 + 1))
      one.answer = tonumber(sub(reply[2], job, job))
      pushed[job] = one
    end
  end
  line.pushed = some(pushed)
end

function input.step(argv, reply, line)
  local first, finished, is_finished = 5 + tonumber(argv[5]) + 1, {}, {}
  for i = 6, first - 1 do
    finished[#finished + 1] = argv[i]
    is_finished['B' .. argv[i]] = true
  end
  local counts, names, slots, outcomes = reported(argv, first)
  local settled = {}
  for job = 1, outcomes - slots do
    local outcome, of, used, remaining, delay, since, today_left, burst, daily = unpack_('>BdHHdi4I4HI4', argv[outcomes + job])
    settled[job] = {slot = argv[slots + job], outcome = string.char(outcome), epoch = text(of), used = used, remaining = remaining, delay = text(delay),
      since = since, today = today_left, burst = burst, daily = daily}
  end
  for position in string.gmatch(reply[6], '%d+') do settled[position + 1].late = true end
  local fired, looked = {}, false
  for i = 1, #timer_rems do
    local what = timer_rems[i]
    local kind = sub(what, 1, 1)
    if is_finished[what] then is_finished[what] = nil
    elseif kind == 'B' or kind == 'T' or kind == 'L' then fired[#fired + 1] = what
    elseif kind == 'J' then
      -- It may be damaged, and was set aside then.
      local ok, slot = pcall(function()
        local length = byte(what, 2)
        return sub(what, 3, length + 2) .. '\0' .. key_in(sub(what, length + 3))
      end)
      fired[#fired + 1] = ok and 'J' .. slot or '?'
    else fired[#fired + 1] = kind end
  end
  local claimed, at = {}, 7
  while at <= #reply do
    local count = tonumber(reply[at + 1])
    for i = at + 2, at + 1 + count do
      claimed[#claimed + 1] = stored_in(reply[i], reply[at] .. '\0' .. key_in(reply[i]))
    end
    at = at + 2 + count
  end
  line.finished, line.settled, line.fired, line.claimed = some(finished), some(settled), some(fired), some(claimed)
  line.most, line.wait, line.claim, line.shared = tonumber(argv[3]), tonumber(reply[5]), reply[4], argv[4] ~= ''
end

function input.heartbeat(argv, reply, line)
  local beats = {}
  for i = 2, #argv do beats[i - 1] = {epoch = argv[i], alive = reply[i - 1] == 1} end
  line.beats = some(beats)
end

function input.steer(argv, _, line) line.lane, line.pauses = argv[2], argv[3] == 'pause' end

function input.kinds(argv, _, line) line.kind, line.pauses = argv[2], argv[3] == 'p' end

function input.alone(argv, _, line)
  line.alone, line.slot, line.finished = argv[3] == '1', argv[2], {unpack(argv, 4)}
  line.finished = some(line.finished)
end

function input.meet(_, reply, line) line.promoted = reply == 1 end

local function seen_in(m)
  return {out = m.out, cooling = m.cooling, paused = m.paused, hold = m.hold, circuit = m.circuit, probe = text(m.probe), probe_at = m.probe_at}
end

for name, run in pairs(functions) do
  functions[name] = function(argv)
    local reply = run(argv)
    local key = P .. 'traced'
    call('HSETNX', key, 'of', text(born))
    local line = {call = name, seq = call('HINCRBY', key, 'n', '1'), life = call('HGET', key, 'of'), shard = P, now = now, rest = rest, born = text(born), epoch = text(last_epoch),
      steps = steps, limits = {BURST, RESERVE, INTERVAL, TIMEOUT, LEASE, FAILURES, PROBE_AFTER, DAILY, DAILY_RESERVE, DAY_BIN, BIN}}
    input[name](argv, reply, line)
    local seen = {}
    for i = 1, #opened do seen[opened[i].name] = seen_in(opened[i]) end
    if opened[1] then line.lanes = seen end
    call('RPUSH', P .. 'trace', cjson.encode(line))
    return reply
  end
end
end
