-- Looks whether this server is the one that the shard's state was written to, after a connection was made.
--
-- ARGV[2]: 1 where the caller has seen that the server's clock was set forward: what was to stay away came back too early. ARGV[3]: the highest epoch
-- that the caller knows of: a server that lost its state, or whose clock is behind, would hand out lower ones, which fence nothing (law 5).
-- ARGV[4]: the highest epoch that the caller was ever given by this shard.
-- Returns 1 where writes may be lost, else 0.
-- Each call compares run ids (`begin`), so another server, or this one started anew, rests. A server that was another's replica meanwhile keeps its run
-- id: its replication ids report, of which the second is that of the master before. It has none where the first one is its own choice, as when its
-- first replica came. And one that was master before another, received nothing of that one and is so again has all ids as they were: its last epoch is lower
-- than what was claimed meanwhile, as long as anybody lives who did.
function functions.meet(argv)
  local info = call('INFO', 'replication')
  local id, before = string.match(info, 'master_replid:(%x+)'), string.match(info, 'master_replid2:(%x+)')
  local known = call('HGET', H, 'replication')
  local promoted = known and known ~= id and string.find(before, '[^0]') ~= nil
  if known ~= id then put_hash('replication', id) end
  local seen_epoch = tonumber(argv[3])
  local lost = promoted or tonumber(argv[4]) > last_epoch
  if lost then born = now_us end
  if argv[2] == '1' then steps = steps + 1 end
  if lost or argv[2] == '1' then rest_fully() end
  if seen_epoch > last_epoch then last_epoch, self_changed = seen_epoch, true end
  commit()
  return lost and 1 or 0
end
