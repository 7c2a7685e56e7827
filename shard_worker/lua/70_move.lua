-- A partition on its way to another shard: fenced and read in its source, written and compared in its target, forgotten
-- at the end. Each call names the token of its mover's own fence or wipe, so that after a roll-back, a second mover or
-- an abort every later call of this one is refused.
--
-- Bound of one call: `ROWS_MAX` rows, which take 2 to 4 ms of the server's time, so that a core several times slower
-- stays below 20 ms. Listing a partition's keys takes less.

local ROWS_MAX = 2000
local SIZES = { zset = 'ZCARD', hash = 'HLEN', set = 'SCARD' }
local SCANS = { hash = 'HSCAN', set = 'SSCAN' }
local SCORES, SCORED_AT = 'scores:', 'scored_at:'

-- In the source the fence is ours, in the target the copy is: `role` says which of the two this server is.
local function is_mover(prefix, role, token)
  local raw = redis.call('HMGET', prefix .. 'progress', 'state', 'fenced', 'token')
  if raw[3] ~= token or token == '' then
    return false
  end
  if role == 'source' then
    return raw[1] == 'owned' and raw[2] == '1'
  end
  return role == 'target' and raw[1] == 'copying'
end

-- {word, next_offset, log_ms, last, points, counted, chunks, key, type, size, key, type, size, …} without `progress`.
local function inventory_of(word, prefix)
  local progress = read_progress(prefix)
  local found = { word, whole(progress.next_offset), whole(progress.log_ms), progress.last, whole(progress.points),
    whole(progress.counted), redis.call('HGET', prefix .. 'progress', 'chunks') or '0' }
  for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do
    local name = string.sub(key, #prefix + 1)
    if name ~= 'progress' then
      local kind = redis.call('TYPE', key).ok
      if not SIZES[kind] then
        return { 'DAMAGED', key, kind, 'zset, hash or set' }
      end
      found[#found + 1] = name
      found[#found + 1] = kind
      found[#found + 1] = redis.call(SIZES[kind], key)
    end
  end
  return found
end

-- Stops the source's writer for good at the move's epoch. Refused when the source stands at a newer epoch. A state of
-- before the source became the owner is no state. ARGV: move epoch, token, epoch since which the source is the owner.
-- Replies: FENCED (inventory) | NOTHING state epoch | AHEAD epoch | DAMAGED …
local function fence(keys, args)
  local prefix, epoch = keys[1], tonumber(args[1])
  local bad = wrong_type(prefix .. 'progress', 'hash')
  if bad then
    return bad
  end
  local progress = read_progress(prefix)
  if progress.epoch > epoch then
    return { 'AHEAD', whole(progress.epoch) }
  end
  if progress.state ~= 'owned' or progress.epoch < tonumber(args[3]) then
    return { 'NOTHING', progress.state, whole(progress.epoch) }
  end
  local found = inventory_of('FENCED', prefix)
  if found[1] == 'FENCED' then
    redis.call('HSET', prefix .. 'progress', 'epoch', whole(epoch), 'fenced', '1', 'token', args[2])
  end
  return found
end

-- What there is, and where it stands in the log. ARGV: role, token. Replies: OK (inventory) | REFUSED … | DAMAGED …
local function inventory(keys, args)
  if not is_mover(keys[1], args[1], args[2]) then
    return refused(keys[1])
  end
  return inventory_of('OK', keys[1])
end

-- Members of a ZSET by rank with their scores, packed with what the companion hash holds of each (false: nothing).
-- A board's members are read once for both its keys, and in an order that is the same on every server: equal rows make
-- equal bytes. Returns them with the number of rows, of companions, and the sum of the scores.
local function page_of(prefix, key, first, count)
  local flat = redis.call('ZRANGE', prefix .. key, first, first + count - 1, 'WITHSCORES')
  local members, rows, sum, values, found = {}, 0, 0, {}, 0
  for i = 1, #flat, 2 do
    rows = rows + 1
    members[rows] = flat[i]
    sum = sum + flat[i + 1]
  end
  if rows > 0 and string.sub(key, 1, #SCORES) == SCORES then
    values = redis.call('HMGET', prefix .. SCORED_AT .. string.sub(key, #SCORES + 1), unpack(members))
    for i = 1, rows do
      if values[i] then
        found = found + 1
      end
    end
  end
  return cmsgpack.pack({ flat, values }), rows, found, sum
end

-- Hash of one row of a HASH or SET, in parts that can be summed: 40 bits each, so that 8,000 of them stay exact.
local function row_hash(row)
  local hex = redis.sha1hex(row)
  return tonumber(string.sub(hex, 1, 10), 16), tonumber(string.sub(hex, 11, 20), 16)
end

-- Sums over rows do not depend on their order, which differs from server to server.
local function sums_of(kind, rows)
  local first, second = 0, 0
  if kind == 'hash' then
    for i = 1, #rows, 2 do
      local a, b = row_hash(#rows[i] .. ':' .. rows[i] .. rows[i + 1])
      first, second = first + a, second + b
    end
    return first, second
  end
  for _, row in ipairs(rows) do
    local a, b
    if #row == 16 then  -- an id, which is a hash already
      local p, q, r, s = struct.unpack('>I4I4I4I4', row)
      a, b = p * 256 + r % 256, q * 256 + s % 256
    else
      a, b = row_hash(row)
    end
    first, second = first + a, second + b
  end
  return first, second
end

-- One chunk of one key: its reply as `digest` gives it, and its rows packed.
local function chunk_of(prefix, kind, key, cursor, count)
  if kind == 'zset' then
    local first = tonumber(cursor)
    local packed, rows, found, sum = page_of(prefix, key, first, count)
    local next_cursor = rows < count and '0' or whole(first + count)
    return { 'OK', next_cursor, rows, found, whole(sum), redis.sha1hex(packed) }, packed
  end
  local page = redis.call(SCANS[kind], prefix .. key, cursor, 'COUNT', count)
  local first, second = sums_of(kind, page[2])
  local rows = kind == 'set' and #page[2] or #page[2] / 2
  return { 'OK', page[1], rows, 0, whole(first), whole(second) }, cmsgpack.pack({ page[2], {} })
end

-- What both reading calls check before they read: nil, or the reply that refuses.
local function cannot_read(prefix, role, token, kind, key, count)
  if not (count >= 1 and count <= ROWS_MAX) then
    return { 'TOO_LARGE' }
  end
  if not is_mover(prefix, role, token) then
    return refused(prefix)
  end
  return wrong_type(prefix .. key, kind)
end

-- A chunk of one key with its digest, packed as `copy_write` takes it. A ZSET's cursor is a rank; the others' is that
-- of SCAN, which returns every row of what nobody changes, some perhaps twice. `companions`: of how many members the
-- companion hash held something. ARGV: token, type, key, cursor, rows.
-- Replies: OK next-cursor (0 = that was all) rows companions, as `digest`, packed | REFUSED … | DAMAGED … | TOO_LARGE
local function copy_read(keys, args)
  local prefix, kind, key, count = keys[1], args[2], args[3], tonumber(args[5])
  local no = cannot_read(prefix, 'source', args[1], kind, key, count)
  if no then
    return no
  end
  local reply, packed = chunk_of(prefix, kind, key, args[4], count)
  reply[#reply + 1] = packed
  return reply
end

local function write_all(command, key, words)
  for first = 1, #words, CHUNK do
    redis.call(command, key, unpack(words, first, math.min(first + CHUNK - 1, #words)))
  end
end

-- Writes what `copy_read` packed, as the chunk after `chunks` others. ARGV: token, chunks, type, key, packed.
-- Replies: OK | REFUSED … | DAMAGED …
local function copy_write(keys, args)
  local prefix, kind, key = keys[1], args[3], args[4]
  if not is_maker(prefix, 'copying', args[1], args[2]) then
    return refused(prefix)
  end
  local companion = kind == 'zset' and string.sub(key, 1, #SCORES) == SCORES
    and prefix .. SCORED_AT .. string.sub(key, #SCORES + 1)
  local bad = wrong_type(prefix .. key, kind) or companion and wrong_type(companion, 'hash')
  if bad then
    return bad
  end
  local page = cmsgpack.unpack(args[5])
  local flat, values = page[1], page[2]
  if kind == 'zset' then
    local pairs_, n = {}, 0
    for i = 1, #flat, 2 do
      local value = values[(i + 1) / 2]
      if value then
        pairs_[n + 1], pairs_[n + 2] = flat[i], value
        n = n + 2
      end
      flat[i], flat[i + 1] = flat[i + 1], flat[i]
    end
    write_all('HSET', companion, pairs_)
  end
  write_all(WRITES[kind][1], prefix .. key, flat)
  redis.call('HINCRBY', prefix .. 'progress', 'chunks', 1)
  return { 'OK' }
end

-- Count, sum and hash of one chunk, on either side. A ZSET's chunks are the same on both, so that each has one hash
-- over its rows in order; of a HASH or SET only the sums of all chunks compare, and only if they have as many rows as
-- the key: a row that SCAN returned twice is counted twice.
-- ARGV: role, token, type, key, cursor, rows.
-- Replies: OK next-cursor rows companions sum hash, for a HASH or SET two sums | REFUSED … | DAMAGED … | TOO_LARGE
local function digest(keys, args)
  local prefix, kind, key, count = keys[1], args[3], args[4], tonumber(args[6])
  local no = cannot_read(prefix, args[1], args[2], kind, key, count)
  if no then
    return no
  end
  return (chunk_of(prefix, kind, key, args[5], count))
end

-- Removes a shard's leftover of a partition that another shard owns at this epoch. Refused when it stands at a newer
-- one: then it is no leftover. UNLINK frees beside the server's loop.
-- ARGV: epoch. Replies: OK keys | REFUSED … | DAMAGED …
local function forget(keys, args)
  local prefix = keys[1]
  local bad = wrong_type(prefix .. 'progress', 'hash')
  if bad then
    return bad
  end
  if read_progress(prefix).epoch > tonumber(args[1]) then
    return refused(prefix)
  end
  local found = redis.call('KEYS', prefix .. '*')
  for _, key in ipairs(found) do
    redis.call('UNLINK', key)
  end
  return { 'OK', #found }
end

-- A shard that is full can still be moved away from.
redis.register_function({ function_name = 'sb1_fence', callback = fence, flags = { 'allow-oom' } })
redis.register_function({ function_name = 'sb1_forget', callback = forget, flags = { 'allow-oom' } })
redis.register_function({ function_name = 'sb1_inventory', callback = inventory, flags = { 'no-writes' } })
redis.register_function({ function_name = 'sb1_copy_read', callback = copy_read, flags = { 'no-writes' } })
redis.register_function({ function_name = 'sb1_digest', callback = digest, flags = { 'no-writes' } })
redis.register_function('sb1_copy_write', copy_write)
