-- One step of a worker: settles what it finished, fires what is due, claims what can run.
--
-- ARGV[2]: the most jobs to claim. ARGV[3]: count of finished batches, then their epochs. Then the settlements as `told` reads them, packed as
-- `settle.lua` says.
-- Returns: incarnation, now in ms, epoch of the claim, ms until something is due (-1: nothing known, 0: more is runnable), positions of settlements
-- that came too late, then what was claimed, lane by lane: its name, the count of its jobs, their envelopes.
function functions.step(argv)
  late, ended, reply, claimed, replaced, paused_kinds = {}, {}, {}, 0, 0, nil
  -- Above every earlier epoch, also of an earlier life of this server: records are fenced by it.
  epoch = math.max(now_us, last_epoch + 1)
  local first = 3 + tonumber(argv[3]) + 1
  for i = 4, first - 1 do
    call('HDEL', H, 'B' .. argv[i], 'A' .. argv[i])
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
      last_epoch = epoch
      local batch = 'B' .. text(epoch)
      call('HSET', H, 'shard', packed_self(), batch, cmsgpack.pack(reply))
      remind(now + LEASE, batch)
    end
  end
  save()

  local wait = -1
  runnable = lining_up or not (is_empty[0] and is_empty[1]) and call('EXISTS', RING[0], RING[1]) > 0
  if resting > 0 then wait = resting
  elseif runnable then
    wait = 0
    wake()
  else
    local due = next_due()
    if due then wait = math.max(0, math.ceil(due) - now) end
  end
  return {text(born), text(now), claimed > 0 and text(epoch) or '0', text(wait), table.concat(late, ','), unpack(reply)}
end
