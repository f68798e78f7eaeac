#!lua flags=allow-oom
-- Takes what was committed out of pending, then trims the stream.
--
-- KEYS  1 stream, then seq and pending of each scope
-- ARGV  1 the entry id below which the stream is trimmed (empty: not at all), 2 seconds a counter lives once nothing
--       of its scope is pending, then for each scope: how many pairs follow, and the pairs number id
-- reply the stream's length
--
-- A pending write goes only while its version is the committed one: a newer edit stays.
local at = 3
for s = 1, (#KEYS - 1) / 2 do
  local seq, pending = KEYS[2 * s], KEYS[2 * s + 1]
  local n, numbers, ids, gone = tonumber(ARGV[at]), {}, {}, {}
  for i = 1, n do
    numbers[i], ids[i] = ARGV[at + 2 * i - 1], ARGV[at + 2 * i]
  end
  at = at + 1 + 2 * n
  local values = redis.call('HMGET', pending, unpack(numbers))
  for i = 1, n do
    if values[i] and string.sub(values[i], 1, #ids[i] + 1) == ids[i] .. ' ' then gone[#gone + 1] = numbers[i] end
  end
  if #gone > 0 then redis.call('HDEL', pending, unpack(gone)) end
  if redis.call('EXISTS', pending) == 0 and redis.call('HEXISTS', seq, 'n') == 1 then
    if redis.call('HSETNX', seq, 'ttl', '1') == 1 then redis.call('EXPIRE', seq, ARGV[2]) end
  end
end
if ARGV[1] ~= '' then redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[1]) end
return redis.call('XLEN', KEYS[1])
