#!lua flags=no-writes,allow-oom
-- Proves that what was just read from a stream follows on a position, and says how the partition is open.
--
-- KEYS  1 stream, 2 open
-- ARGV  1 the position's entry id, 2 its generation, 3 how many entries at most
-- reply replid, what «open» says: replid, gen, then
--         1     the stream holds that very entry, not below what is void: what lies above it follows
--         2     what lies above all that is void follows, since it begins with a marker that names the position
--         0     neither
--       and the entries, in case 2 alone
local stream, open = KEYS[1], KEYS[2]
local position, gen, count = ARGV[1], ARGV[2], tonumber(ARGV[3])

local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local o = redis.call('HMGET', open, 'replid', 'gen', 'floor')
local function reply(follows, entries)
  return {replid, o[1] or '', o[2] or '0', follows, entries}
end

local function below(id, other)
  local ms, seq = string.match(id, '^(%d+)-(%d+)')
  local oms, oseq = string.match(other, '^(%d+)-(%d+)')
  ms, oms = tonumber(ms), tonumber(oms)
  return ms < oms or (ms == oms and tonumber(seq) < tonumber(oseq))
end

local e = position ~= '0-0' and not below(position, o[3] or '0-0') and redis.call('XRANGE', stream, position, position)[1]
if e and string.match(e[2][2], '^%a (%d+)') == gen then return reply(1, {}) end
if not o[3] then return reply(0, {}) end
local entries = redis.call('XRANGE', stream, o[3], '+', 'COUNT', count)
e = entries[1]
if e and e[1] == o[3] and string.match(e[2][2], '^k %d+ (%S+)$') == position then return reply(2, entries) end
return reply(0, {})
