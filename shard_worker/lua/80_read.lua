-- Reads for gateways: standings, counts of who is better, pages. They write nothing, so that a replica may answer them.
-- A call names its partitions (KEYS: their prefixes, several in one call, hence not for a Redis Cluster) and what it
-- wants (ARGV[1], msgpack). Reply (msgpack): per partition {next_offset, log_ms, users on the board, …}, or false where
-- the partition is not here: not owned, or only a leftover of an ownership older than `since`. A fenced one is here, at
-- rest. Each partition's part is of one moment.
--
-- Board order is that of contracts/ranking.py. A cursor is {score, scored_at, user}, or {score} for all of that score.

-- Lua's own comparison of strings follows the server's locale.
local function is_less(a, b)
  for i = 1, math.min(#a, #b) do
    local left, right = string.byte(a, i), string.byte(b, i)
    if left ~= right then
      return left < right
    end
  end
  return #a < #b
end

local function read_each(keys, args, read)
  local query, replies = cmsgpack.unpack(args[1]), {}
  for i, prefix in ipairs(keys) do
    local raw = redis.call('HMGET', prefix .. 'progress', 'state', 'epoch', 'next_offset', 'log_ms')
    if raw[1] == 'owned' and tonumber(raw[2] or '0') >= query.since[i] then
      local board = {
        prefix = prefix, log_ms = tonumber(raw[4] or '0'),
        scores = prefix .. 'scores:' .. query.period, scored_at = prefix .. 'scored_at:' .. query.period,
      }
      replies[i] = {
        tonumber(raw[3] or '0'), board.log_ms, redis.call('ZCARD', board.scores), read(board, query, i),
      }
    else
      replies[i] = false
    end
  end
  return cmsgpack.pack(replies)
end

local function better_than(board, score)
  return redis.call('ZCOUNT', board.scores, '(' .. whole(score), '+inf')
end

-- The lowest score above `score`, or false.
local function next_above(board, score)
  local found = redis.call('ZRANGE', board.scores, '(' .. whole(score), '+inf', 'BYSCORE', 'LIMIT', '0', '1', 'WITHSCORES')
  return found[2] and tonumber(found[2]) or false
end

-- {score, scored_at, is hidden}, or nil for a user who is not on the board. A hidden user has the parked score.
local function place_of(board, period, user)
  local score = redis.call('ZSCORE', board.scores, user)
  if score then
    return tonumber(score), tonumber(redis.call('HGET', board.scored_at, user) or '0'), false
  end
  local raw = redis.call('HGET', board.prefix .. 'hidden', user)
  local parked = raw and cmsgpack.unpack(raw)[period]
  if parked then
    return parked[1], parked[2], true
  end
end

-- Query: users per partition. Per user {score, scored_at, better, next above, is hidden} or false.
local function standing(keys, args)
  return read_each(keys, args, function(board, query, i)
    local found = {}
    for n, user in ipairs(query.users[i]) do
      local score, scored_at, is_hidden = place_of(board, query.period, user)
      found[n] = score and { score, scored_at, better_than(board, score), next_above(board, score), is_hidden } or false
    end
    return found
  end)
end

-- Query: scores. Per score the number of users with a higher one; with `wants_above` the lowest score above each.
local function count_better(keys, args)
  return read_each(keys, args, function(board, query)
    local better, above = {}, {}
    for n, score in ipairs(query.scores) do
      better[n] = better_than(board, score)
      above[n] = query.wants_above and next_above(board, score)
    end
    return { better, above }
  end)
end

local function is_beyond(scored_at, user, cursor, is_back)
  if scored_at ~= cursor[2] then
    return (scored_at > cursor[2]) ~= is_back
  end
  return user ~= cursor[3] and is_less(cursor[3], user) ~= is_back
end

-- Rows are {user, score, scored_at, place among the equal by user}.
local function walks_before(is_back)
  return function(a, b)
    if a[3] ~= b[3] then
      return (a[3] < b[3]) ~= is_back
    end
    return a[4] ~= b[4] and (a[4] < b[4]) ~= is_back
  end
end

-- Of members with one score, in the order of their ids, the `wanted` that a walk meets first beyond the cursor.
local function first_of(board, score, members, cursor, wanted, is_back)
  local rows, before = {}, walks_before(is_back)
  if #members == 0 then
    return rows
  end
  local times, worst = redis.call('HMGET', board.scored_at, unpack(members)), nil
  for n, user in ipairs(members) do
    local row = { user, score, tonumber(times[n] or '0'), n }
    if (not cursor or is_beyond(row[3], user, cursor, is_back)) and not (worst and before(worst, row)) then
      rows[#rows + 1] = row
      if #rows > 2 * wanted + 64 then
        table.sort(rows, before)
        for surplus = #rows, wanted + 1, -1 do
          rows[surplus] = nil
        end
        worst = rows[wanted]
      end
    end
  end
  table.sort(rows, before)
  for surplus = #rows, wanted + 1, -1 do
    rows[surplus] = nil
  end
  return rows
end

local function add(rows, more)
  for _, row in ipairs(more) do
    rows[#rows + 1] = row
  end
end

-- With the names that the partition keeps of users in or near its shard's top.
local function finished(board, rows, wanted, state, score)
  for surplus = #rows, wanted + 1, -1 do
    rows[surplus], state = nil, 'more'
  end
  if #rows > 0 then
    local users = {}
    for n, row in ipairs(rows) do
      users[n] = row[1]
    end
    for n, name in ipairs(redis.call('HMGET', board.prefix .. 'names', unpack(users))) do
      rows[n][4] = name
    end
  end
  return { rows, state, score or 0 }
end

-- The next stretch of the walk, whole groups of equal scores except where `count` cuts the last one.
local function next_scores(board, bound, count, is_back)
  if is_back then
    return redis.call('ZRANGE', board.scores, bound, '+inf', 'BYSCORE', 'LIMIT', '0', count, 'WITHSCORES')
  end
  return redis.call('ZRANGE', board.scores, bound, '-inf', 'BYSCORE', 'REV', 'LIMIT', '0', count, 'WITHSCORES')
end

-- The members from found[first] on that have its score, in the order of their ids; and where the next group begins.
local function group_at(found, first, is_back)
  local members, last = {}, first
  while found[last] and found[last + 1] == found[first + 1] do
    members[#members + 1] = found[last]
    last = last + 2
  end
  if not is_back then
    for n = 1, math.floor(#members / 2) do
      members[n], members[#members + 1 - n] = members[#members + 1 - n], members[n]
    end
  end
  return members, last
end

local function walk(board, query, i)
  local cursor, wanted, is_back, budget = query.cursors[i], query.rows[i], query.is_back, query.scan
  local rows, bound = {}, is_back and '-inf' or '+inf'
  -- All members of a score, or nil when they are too many for this call.
  local function members_of(score)
    local text = whole(score)
    budget = budget - redis.call('ZCOUNT', board.scores, text, text)
    return budget >= 0 and redis.call('ZRANGE', board.scores, text, text, 'BYSCORE') or nil
  end
  if cursor then
    bound = '(' .. whole(cursor[1])
    if cursor[2] then
      local members = members_of(cursor[1])
      if not members then
        return finished(board, rows, wanted, 'ties', cursor[1])
      end
      rows = first_of(board, cursor[1], members, cursor, wanted, is_back)
    end
  end
  while #rows < wanted do
    local count = wanted - #rows + 1
    local found, first = next_scores(board, bound, count, is_back), 1
    while first <= #found do
      local score, members, after = tonumber(found[first + 1]), group_at(found, first, is_back)
      if after > #found and #found == 2 * count then
        members = members_of(score)
        if not members then
          return finished(board, rows, wanted, #rows > 0 and 'more' or 'ties', score)
        end
      end
      add(rows, first_of(board, score, members, false, wanted, is_back))
      bound, first = '(' .. whole(score), after
    end
    if #found < 2 * count then
      return finished(board, rows, wanted, 'end')
    end
  end
  return finished(board, rows, wanted, 'more')
end

-- Query: cursors and rows per partition, is_back, scan (members of equal scores that are looked through). Reply
-- {rows, 'end' | 'more' | 'ties', score}: with 'ties' no row, because more than `scan` users have this score.
local function page(keys, args)
  return read_each(keys, args, walk)
end

-- Where the first member after `user` stands among `size` members of one score, the first of which stands at `below`.
local function place_after(board, below, size, user)
  local low, high = 0, size
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_less(user, redis.call('ZRANGE', board.scores, below + middle, below + middle)[1]) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

-- One chunk of many users with one score, in the order of their ids: a user whose score stays is met exactly once,
-- whoever else comes and goes. Query: groups per partition {score, last user looked at or false, cursor or false, rows},
-- chunk, is_back. Reply {rows, last user looked at or false at the end}.
local function ties(keys, args)
  return read_each(keys, args, function(board, query, i)
    local score, after, cursor, wanted = unpack(query.groups[i])
    local text = whole(score)
    local below = redis.call('ZCOUNT', board.scores, '-inf', '(' .. text)
    local size = redis.call('ZCOUNT', board.scores, text, text)
    local first = after and place_after(board, below, size, after) or 0
    if first >= size then
      return { {}, false }
    end
    local members = redis.call('ZRANGE', board.scores, below + first, below + math.min(first + query.chunk, size) - 1)
    local rows = finished(board, first_of(board, score, members, cursor, wanted, query.is_back), wanted, 'end')[1]
    return { rows, first + #members < size and members[#members] }
  end)
end

-- Whether actions counted lately. Query: ids per partition (hexadecimal), window_ms.
local function counted(keys, args)
  return read_each(keys, args, function(board, query, i)
    local window = math.floor(board.log_ms / query.window_ms)
    local found = {}
    for n, text in ipairs(query.ids[i]) do
      local id = string.gsub(text, '%x%x', function(digits)
        return string.char(tonumber(digits, 16))
      end)
      found[n] = redis.call('SISMEMBER', board.prefix .. 'seen:' .. whole(window), id) == 1
        or redis.call('SISMEMBER', board.prefix .. 'seen:' .. whole(window - 1), id) == 1
        or redis.call('ZSCORE', board.prefix .. 'kept', id) and true
        or false
    end
    return found
  end)
end

redis.register_function({ function_name = 'sb1_standing', callback = standing, flags = { 'no-writes' } })
redis.register_function({ function_name = 'sb1_count_better', callback = count_better, flags = { 'no-writes' } })
redis.register_function({ function_name = 'sb1_page', callback = page, flags = { 'no-writes' } })
redis.register_function({ function_name = 'sb1_ties', callback = ties, flags = { 'no-writes' } })
redis.register_function({ function_name = 'sb1_counted', callback = counted, flags = { 'no-writes' } })
