-- A partition's keys made anew from somewhere else: wiped, written in chunks, owned at the end. Each call names the
-- token of its own wipe, so that of two makers only the last one to wipe goes on, and a chunk neither twice nor after a
-- gap: whatever rolls back, freezes or comes late, what becomes owned is whole.

-- Pairs of one call: 5,000 ZADDs or HSETs with short members take some 5 ms of the server's time.
local PAIRS_MAX = 5000

local function refused(prefix)
  local raw = redis.call('HMGET', prefix .. 'progress', 'state', 'epoch', 'token', 'chunks', 'writer', 'next_offset')
  return { 'REFUSED', raw[1] or '', raw[2] or '0', raw[3] or '', raw[4] or '0', raw[5] or '', raw[6] or '0' }
end

local function is_maker(prefix, state, token, chunks)
  local raw = redis.call('HMGET', prefix .. 'progress', 'state', 'token', 'chunks')
  return raw[1] == state and raw[2] == token and tonumber(raw[3]) == tonumber(chunks)
end

-- Empties the partition. Refused when it stands at a newer epoch, or is owned at this one: unless the writer says that
-- it is its own and names the position, which is how a writer gives up a state that the log does not continue.
-- A partition has some 10 keys for each board; UNLINK frees them beside the server's loop.
-- ARGV: state (restoring, copying), epoch, shard, token, writer, next_offset of what is given up ('' = nothing is).
-- Replies: OK | REFUSED state epoch token chunks writer next_offset | DAMAGED …
local function wipe(keys, args)
  local prefix, state, epoch, given_up = keys[1], args[1], tonumber(args[2]), args[6]
  local bad = wrong_type(prefix .. 'progress', 'hash')
  if bad then
    return bad
  end
  local progress = read_progress(prefix)
  if progress.epoch > epoch then
    return refused(prefix)
  end
  if progress.state == 'owned' and progress.epoch == epoch then
    local is_given_up = given_up ~= '' and progress.next_offset == tonumber(given_up) and progress.writer == args[5]
    if not is_given_up or progress.fenced == '1' then
      return refused(prefix)
    end
  end
  for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do
    redis.call('UNLINK', key)
  end
  redis.call('HSET', prefix .. 'progress', 'owner', args[3], 'state', state, 'epoch', whole(epoch), 'fenced', '0',
    'writer', '', 'token', args[4], 'chunks', '0', 'next_offset', '0', 'log_ms', '0', 'last', '', 'points', '0',
    'counted', '0')
  return { 'OK' }
end

local WRITES = { zset = { 'ZADD', 2 }, hash = { 'HSET', 2 }, set = { 'SADD', 1 } }

-- Writes the chunk after `chunks` others. ARGV: state, token, chunks, type, key without prefix, then what the type's
-- write command takes: score member … | field value … | member …
-- Replies as `wipe`, or TOO_LARGE.
local function restore_chunk(keys, args)
  local prefix, kind, key = keys[1], WRITES[args[4]], keys[1] .. args[5]
  if #args - 5 > PAIRS_MAX * 2 then
    return { 'TOO_LARGE' }
  end
  if not is_maker(prefix, args[1], args[2], args[3]) then
    return refused(prefix)
  end
  local bad = wrong_type(key, args[4])
  if bad then
    return bad
  end
  for first = 6, #args, CHUNK do
    redis.call(kind[1], key, unpack(args, first, math.min(first + CHUNK - 1, #args)))
  end
  redis.call('HINCRBY', prefix .. 'progress', 'chunks', 1)
  return { 'OK' }
end

-- The whole state is there: from now on it is a true prefix of the log, and a claim makes somebody its writer.
-- ARGV: state, token, chunks, epoch, next_offset, log_ms, last, points, counted. Replies as `wipe`.
local function own(keys, args)
  local prefix = keys[1]
  if not is_maker(prefix, args[1], args[2], args[3]) or read_progress(prefix).epoch ~= tonumber(args[4]) then
    return refused(prefix)
  end
  redis.call('HSET', prefix .. 'progress', 'state', 'owned', 'fenced', '0', 'writer', '', 'token', '', 'chunks', '0',
    'next_offset', args[5], 'log_ms', args[6], 'last', args[7], 'points', args[8], 'counted', args[9])
  return { 'OK' }
end

redis.register_function('sb1_wipe', wipe)
redis.register_function('sb1_restore_chunk', restore_chunk)
redis.register_function('sb1_own', own)
