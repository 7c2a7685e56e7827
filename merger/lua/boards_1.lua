#!lua name=shardboard_merger_1
-- Writes global boards by compare-and-set on the version that all boards share. Runs on Valkey 9 and Redis 7.
-- A change of behaviour takes new names: two mergers of different releases may run at once.

-- keys: version, changes stream, then one per board
-- args: version that the caller knows, newest version, entries kept, then per board: period, version, expire_at_ms, bytes
-- returns {1, newest version}, or {0, version found} and nothing is written
local HEAD = 3
local PER_BOARD = 4

local function write_boards(keys, args)
  local found = tonumber(redis.call('GET', keys[1]) or '0') or 0
  if found ~= tonumber(args[1]) then
    return {0, string.format('%.0f', found)}
  end
  for i = 3, #keys do
    local at = HEAD + (i - 3) * PER_BOARD
    local period, version, expire_at_ms, bytes = args[at + 1], args[at + 2], args[at + 3], args[at + 4]
    if expire_at_ms == '0' then
      redis.call('SET', keys[i], bytes)
    else
      redis.call('SET', keys[i], bytes, 'PXAT', expire_at_ms)
    end
    redis.call('XADD', keys[2], 'MAXLEN', '~', args[3], '*', 'period', period, 'version', version)
  end
  redis.call('SET', keys[1], args[2])
  return {1, args[2]}
end

redis.register_function('shardboard_write_boards_1', write_boards)
