#!lua flags=no-writes,allow-oom
-- What lies in a stream above a position. It counts up to a bound, since a stream knows no ranks.
--
-- KEYS  1 stream
-- ARGV  1 how many entries to count at most, 2 the position: an entry's id
-- reply the time in milliseconds, the stream's length, the last id that it was given (empty: none), how many entries it was ever
--       given (-1: this Redis does not tell), how many lie above the position (one more than the bound: more than were counted),
--       the id of the first of those (empty: none)
local stream, most = KEYS[1], tonumber(ARGV[1])

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('EXISTS', stream) == 0 then
  return {now, 0, '', 0, 0, ''}
end
local length, last, added = 0, '', -1
local info = redis.call('XINFO', 'STREAM', stream)
for i = 1, #info, 2 do
  if info[i] == 'length' then length = info[i + 1] end
  if info[i] == 'last-generated-id' then last = info[i + 1] end
  if info[i] == 'entries-added' then added = info[i + 1] end
end
local above = redis.call('XRANGE', stream, '(' .. ARGV[2], '+', 'COUNT', most + 1)
return {now, length, last, added, #above, above[1] and above[1][1] or ''}
