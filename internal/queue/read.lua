#!lua flags=no-writes,allow-oom
-- Reads entries that follow on a position, and how the partition is opened, in one step.
--
-- KEYS  1 stream, 2 open
-- ARGV  1 the position's entry id, 2 its generation, 3 how many entries at most
-- reply replid, what «open» says: replid, gen, then whether the entries follow on the position (1 or 0), then the entries
--
-- They follow when the stream holds that very entry (it is left out then), or when its first entry above what is void
-- is a marker that names the position.
local stream, open = KEYS[1], KEYS[2]
local position, gen, count = ARGV[1], ARGV[2], tonumber(ARGV[3])

local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local o = redis.call('HMGET', open, 'replid', 'gen', 'floor')
local function reply(follows, entries)
  return {replid, o[1] or '', o[2] or '0', follows, entries}
end

local entries = redis.call('XRANGE', stream, position, '+', 'COUNT', count + 1)
local e = entries[1]
if e and e[1] == position and string.match(e[2][2], '^%a (%d+)') == gen then
  table.remove(entries, 1)
  return reply(1, entries)
end
if not o[3] then return reply(0, {}) end
entries = redis.call('XRANGE', stream, o[3], '+', 'COUNT', count)
e = entries[1]
if e and e[1] == o[3] and string.match(e[2][2], '^k %d+ (%S+)$') == position then return reply(1, entries) end
return reply(0, {})
