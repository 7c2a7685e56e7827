-- The newest shard map that this shard's workers know, for starts without Postgres.

-- Keeps the map unless a newer one is kept: a worker that wakes up late writes nothing old. ARGV: version, shard, map.
local function keep_map(keys, args)
  local kept = redis.call('HGET', keys[1], 'version')
  if kept and tonumber(kept) > tonumber(args[1]) then
    return 0
  end
  redis.call('HSET', keys[1], 'version', args[1], 'shard', args[2], 'map', args[3])
  return 1
end

redis.register_function('sb1_keep_map', keep_map)
