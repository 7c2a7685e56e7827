-- Read-only script (EVAL_RO): what a partition holds for the keys asked for, together with the progress it stands at.
-- KEYS[1]: the partition's prefix. ARGV: command (SCORES, ZMSCORE, HMGET, SMISMEMBER), the key after the prefix, members;
-- at most 7,000, because Lua's unpack ends at 7,999. Replies: {progress, values} and for SCORES {…, scored_at}.
local prefix, command, name = KEYS[1], ARGV[1], ARGV[2]
local reply = { redis.call('HMGET', prefix .. 'progress', 'state', 'epoch', 'next_offset', 'log_ms', 'points', 'counted',
  'last') }
local is_scores = command == 'SCORES'
reply[2] = redis.call(is_scores and 'ZMSCORE' or command, prefix .. name, unpack(ARGV, 3))
if is_scores then
  reply[3] = redis.call('HMGET', prefix .. 'scored_at:' .. string.sub(name, #'scores:' + 1), unpack(ARGV, 3))
end
return reply
