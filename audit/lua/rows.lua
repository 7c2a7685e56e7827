-- Read-only script (EVAL_RO): a chunk of a partition's rows together with the progress that they stand at.
-- KEYS[1]: the partition's prefix. ARGV: how many rows, then for each table its command (SCORES, ZSCAN, HSCAN, SSCAN), the
-- key after the prefix, and the cursor to go on from. Tables are read in that order until there are enough rows.
-- Replies: {progress, {cursor, flat rows}, …}, an entry for each table that was looked at; rows of SCORES are user, score,
-- scored_at. Keys are built from the prefix, so that all of them lie in one hash slot.

-- Arguments of one variadic command: Lua's unpack ends at 7,999.
local CHUNK = 7000

local function with_times(key, pairs)
  local rows = {}
  for first = 1, #pairs, 2 * CHUNK do
    local users = {}
    for i = first, math.min(first + 2 * CHUNK - 1, #pairs), 2 do
      users[#users + 1] = pairs[i]
    end
    local times = redis.call('HMGET', key, unpack(users))
    for i = 1, #users do
      local n = #rows
      rows[n + 1], rows[n + 2], rows[n + 3] = users[i], pairs[first + 2 * i - 1], times[i] or '0'
    end
  end
  return rows
end

local prefix, left = KEYS[1], tonumber(ARGV[1])
local reply = { redis.call('HMGET', prefix .. 'progress', 'state', 'epoch', 'next_offset', 'log_ms', 'points', 'counted',
  'last') }
for i = 2, #ARGV, 3 do
  if left <= 0 then
    break
  end
  local command, name, cursor = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local is_scores = command == 'SCORES'
  local chunk = redis.call(is_scores and 'ZSCAN' or command, prefix .. name, cursor, 'COUNT', left)
  local rows = chunk[2]
  left = left - (command == 'SSCAN' and #rows or #rows / 2)
  if is_scores and #rows > 0 then
    rows = with_times(prefix .. 'scored_at:' .. string.sub(name, #'scores:' + 1), rows)
  end
  reply[#reply + 1] = { chunk[1], rows }
  if chunk[1] ~= '0' then
    break
  end
end
return reply
