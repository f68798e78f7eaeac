-- name: InsertCursor :exec
INSERT INTO flush_cursors (partition_id, sink, position, position_gen, gen, replid, state) VALUES (?, ?, 0, 0, 0, '', ?);

-- name: Cursor :one
SELECT * FROM flush_cursors WHERE partition_id = ? AND sink = ?;

-- name: Cursors :many
SELECT * FROM flush_cursors WHERE sink = ? ORDER BY partition_id;

-- name: SearchSinks :many
SELECT DISTINCT sink FROM flush_cursors WHERE sink <> 'mysql' ORDER BY sink;

-- The first statement of every flush: compare-and-set of the position in the generation of its caller.
-- name: AdvanceCursor :execrows
UPDATE flush_cursors SET position = sqlc.arg(position), position_gen = sqlc.arg(position_gen)
WHERE partition_id = sqlc.arg(partition_id) AND sink = 'mysql' AND position = sqlc.arg(old_position) AND gen = sqlc.arg(gen);

-- Opens a partition: above the generation of its caller and the one seen in Redis.
-- name: BumpGeneration :execrows
UPDATE flush_cursors SET gen = GREATEST(gen, CAST(sqlc.arg(seen) AS SIGNED)) + 1, replid = sqlc.arg(replid)
WHERE partition_id = sqlc.arg(partition_id) AND sink = 'mysql' AND gen = sqlc.arg(gen);

-- name: AdvanceSink :execrows
UPDATE flush_cursors SET position = sqlc.arg(position), position_gen = sqlc.arg(position_gen), state = sqlc.arg(state)
WHERE partition_id = sqlc.arg(partition_id) AND sink = sqlc.arg(sink) AND position = sqlc.arg(old_position)
  AND position_gen = sqlc.arg(old_position_gen) AND state = sqlc.arg(old_state);

-- name: DeleteSink :exec
DELETE FROM flush_cursors WHERE sink = ? AND sink <> 'mysql';

-- Holds off flushes and openings of the partition until the transaction ends, in a generation. It reads nothing, so that
-- what is read after it is as new as the lock.
-- name: LockCursor :execrows
UPDATE flush_cursors SET replid = replid WHERE partition_id = ? AND sink = 'mysql' AND gen = ?;
