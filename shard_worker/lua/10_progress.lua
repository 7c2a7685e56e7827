#!lua name=shardboard_v1
-- The library is the files of this folder in the order of their names, loaded as one.
-- Everything that writes a partition's keys, in one place: scores, offset, epoch and seen ids change together or not at
-- all. Runs on Valkey 9 and Redis 7. Keys are built from the partition's prefix `lb:{p}:` (KEYS[1]), so that all of
-- them lie in one hash slot. A change that an older worker could not live with bumps the version in every name here.
--
-- Ids of actions come as one blob of 16 bytes each, because cmsgpack knows no bin type; single ids inside the body (of
-- voided actions, erased users, limits) are hexadecimal text.
-- Numbers: Lua's are doubles, exact below 2^53, which `LIMIT` guards; text of large ones is made with %.0f.

local LIMIT = 9007199254740992
local DAY_MS = 86400000
-- Arguments of one variadic command: Lua's unpack ends at 7,999. Even, for pairs of field and value.
local CHUNK = 7000
-- Days of caps kept besides today: a cooldown of up to a day must survive two changes of day when clocks differ.
local CAP_DAYS_BEFORE = 2

local function whole(number)
  return string.format('%.0f', number)
end

local function read_progress(prefix)
  local raw = redis.call('HMGET', prefix .. 'progress', 'state', 'epoch', 'fenced', 'writer', 'next_offset', 'log_ms',
    'points', 'counted', 'last')
  return {
    state = raw[1] or '', epoch = tonumber(raw[2] or '0'), fenced = raw[3] or '0', writer = raw[4] or '',
    next_offset = tonumber(raw[5] or '0'), log_ms = tonumber(raw[6] or '0'), points = tonumber(raw[7] or '0'),
    counted = tonumber(raw[8] or '0'), last = raw[9] or '',
  }
end

local function is_refused(progress, epoch, writer)
  return progress.epoch ~= epoch or progress.state ~= 'owned' or progress.fenced == '1' or progress.writer ~= writer
end

local function fenced(progress)
  return { 'FENCED', progress.state, whole(progress.epoch), progress.fenced, progress.writer }
end

local function wrong_type(key, expected)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= expected then
    return { 'DAMAGED', key, found, expected }
  end
end
