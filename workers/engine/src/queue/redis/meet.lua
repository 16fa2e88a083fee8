-- Looks whether this server is the one that the shard's state was written to, after a connection was made.
--
-- ARGV[2]: ms that a shard rests whose last writes may be lost. ARGV[3]: the highest epoch that the caller knows of: a server that lost its state,
-- or whose clock is behind, would hand out lower ones, which fence nothing (law 5). Returns 1 where writes may be lost, else 0.
-- A replica that was promoted keeps the replication id of its old master as the second one. What that master wrote last may be missing here,
-- and with it tokens that were taken: the state counts as lost (law 2), under a new incarnation, and nothing is claimed until every call
-- that was under way counts no more. A restart keeps or forgets its id, and tells no second one.
function functions.meet(argv)
  local info = call('INFO', 'replication')
  local id, before = string.match(info, 'master_replid:(%x+)'), string.match(info, 'master_replid2:(%x+)')
  local known = call('HGET', H, 'replication')
  local promoted = known and known ~= id and known == before
  if known ~= id then call('HSET', H, 'replication', id) end
  local seen = tonumber(argv[3])
  if promoted then born, rest = now_us, now + tonumber(argv[2]) end
  if promoted or seen > last_epoch then
    last_epoch = math.max(last_epoch, seen)
    call('HSET', H, 'shard', packed_self())
  end
  return promoted and 1 or 0
end
