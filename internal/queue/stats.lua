#!lua flags=no-writes,allow-oom
-- What waits in a stream behind positions. It counts up to a bound, since a stream knows no ranks.
--
-- KEYS  1 stream
-- ARGV  1 how many entries to count at most, then positions: entry ids, the database's first
-- reply the time in milliseconds, the stream's length, its last id (empty: none), how many entries were ever added (-1: this
--       Redis does not tell), how many lie above the first position, then for each position the id of the first entry above
--       it (empty: none)
local stream, most = KEYS[1], tonumber(ARGV[1])

local t = redis.call('TIME')
local length = redis.call('XLEN', stream)
local added, last = -1, ''
if length > 0 then
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then added = info[i + 1] end
    if info[i] == 'last-generated-id' then last = info[i + 1] end
  end
end
local above = redis.call('XRANGE', stream, '(' .. ARGV[2], '+', 'COUNT', most)
local out = {t[1] * 1000 + math.floor(t[2] / 1000), length, last, added, #above, above[1] and above[1][1] or ''}
for i = 3, #ARGV do
  local first = redis.call('XRANGE', stream, '(' .. ARGV[i], '+', 'COUNT', 1)[1]
  out[#out + 1] = first and first[1] or ''
end
return out
