-- Which commands the caller's user may not run, of those that the functions and their clients use: with one of them missing a function
-- would end after its first writes. It touches nothing.
--
-- KEYS[1] is the shard's prefix. Returns their names.
local key, missing = keys[1] .. 'h', {}
for _, command in ipairs({
  {'blpop', key, '1'}, {'client', 'id'}, {'client', 'unblock', '1'}, {'del', key}, {'exists', key}, {'get', key}, {'hdel', key, '1'}, {'hexists', key, '1'},
  {'hget', key, '1'}, {'hmget', key, '1'}, {'hscan', key, '0'}, {'hset', key, '1', '1'}, {'info', 'replication'}, {'set', key, '1'}, {'lindex', key, '0'}, {'hlen', key},
  {'llen', key}, {'lrange', key, '0', '0'},
  {'lpop', key, '1'}, {'lpush', key, '1'}, {'rpush', key, '1'}, {'time'}, {'zadd', key, '1', '1'}, {'zrange', key, '0', '0'},
  {'zrangebyscore', key, '0', '0'}, {'zrem', key, '1'}, {'zscore', key, '1'},
}) do
  if not redis.acl_check_cmd(unpack(command)) then
    local word = command[1] == 'client' and command[1] .. '|' .. command[2] or command[1]
    missing[#missing + 1] = word
  end
end
return missing
