#!lua flags=allow-oom
-- Closes a partition for a restore: nothing new is accepted for a while, reads go on. Repeated, it lasts longer.
--
-- What the restore stores is there before the partition is opened again, whoever opens it, so two things hold from now on:
-- ids are above those of the backup, and keys that Redis misses are asked for in the database.
--
-- KEYS  1 stream, 2 open
-- ARGV  1 generation, 2 for how many milliseconds, 3 the highest entry id of the backup,
--       4 for how many seconds keys that Redis misses are asked for in the database
-- reply STALE replid gen opened   nothing done, as accept.lua
--       OK replid id gen          the stream's last entry: once the cursor is there, all that was accepted is stored
local stream, open, gen, above = KEYS[1], KEYS[2], ARGV[1], ARGV[3]

local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local o = redis.call('HMGET', open, 'replid', 'gen', 'ask_until')
if o[1] ~= replid or o[2] ~= gen then return {'STALE', replid, o[2] or '0', o[1] == replid and '1' or '0'} end

local time = redis.call('TIME')
local now = tonumber(time[1])
local ask = math.max(now + tonumber(ARGV[4]), tonumber(o[3] or '0'))
local until_ = now * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[2])
redis.call('HSET', open, 'closed_until', string.format('%.0f', until_), 'ask_until', string.format('%.0f', ask))

local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local lms, lseq = string.match(last and last[1] or '0-0', '(%d+)-(%d+)')
local ms, seq = string.match(above, '(%d+)-(%d+)')
lms, lseq, ms, seq = tonumber(lms), tonumber(lseq), tonumber(ms), tonumber(seq)
if lms < ms or (lms == ms and lseq <= seq) then -- this Redis' clock is behind the backup's: a marker that stands for nothing
  redis.call('XADD', stream, string.format('%.0f-0', ms + 1), 'h', 'k ' .. gen .. ' 0-0')
  redis.call('HDEL', open, 'next')
  last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
end
return {'OK', replid, last and last[1] or '0-0', last and string.match(last[2][2], '^%a (%d+)') or '0'}
