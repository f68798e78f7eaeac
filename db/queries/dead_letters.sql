-- multirow: InsertDeadLetters
-- name: InsertDeadLetter :exec
INSERT INTO dead_letters (partition_id, version, sink, kind, application_id, chat_number, number, payload, reason, state, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: DeadLetter :one
SELECT * FROM dead_letters WHERE partition_id = ? AND version = ? AND sink = ?;

-- name: DeadLetters :many
SELECT * FROM dead_letters
WHERE state = sqlc.arg(state) AND (partition_id > sqlc.arg(partition_id) OR (partition_id = sqlc.arg(partition_id) AND version > sqlc.arg(version))
   OR (partition_id = sqlc.arg(partition_id) AND version = sqlc.arg(version) AND sink > sqlc.arg(sink)))
ORDER BY partition_id, version, sink LIMIT ?;

-- What became of numbers that have no row; an edit comes after its message.
-- name: DeadLettersInWindow :many
SELECT * FROM dead_letters
WHERE application_id = ? AND chat_number = ? AND number >= sqlc.arg(from_number) AND number <= sqlc.arg(to_number) AND sink = 'mysql'
ORDER BY number, version;

-- For many numbers at once, which gives all of each: an edit stands beside its message.
-- multirow: DeadLettersByKeys
-- name: DeadLetterByKey :one
SELECT * FROM dead_letters WHERE (application_id = ? AND chat_number = ? AND number = ? AND sink = 'mysql');

-- name: MoveDeadLetter :execrows
UPDATE dead_letters SET state = sqlc.arg(state), reason = sqlc.arg(reason)
WHERE partition_id = ? AND version = ? AND sink = ? AND state = sqlc.arg(old_state);

-- name: CountDeadLetters :many
SELECT sink, state, CAST(COUNT(*) AS SIGNED) AS letters FROM dead_letters GROUP BY sink, state;

-- Open dead letters by sink and kind of reason, which the reason's beginning tells: what the servers say, and flusher's
-- errNoRow. A bound keeps it cheap.
-- name: OpenDeadLetters :many
SELECT sink, CASE
    WHEN reason LIKE 'Error 1062 %' OR reason LIKE 'constraint failed: UNIQUE %' THEN 'duplicate'
    WHEN reason LIKE 'the message that it edits has no row%' THEN 'no_row'
    ELSE 'data' END AS why, CAST(COUNT(*) AS SIGNED) AS letters
FROM (SELECT sink, reason FROM dead_letters WHERE state = 'open' LIMIT ?) AS some
GROUP BY sink, why;

-- Versions of a stretch of the stream that have no row.
-- name: DeadVersions :many
SELECT version FROM dead_letters
WHERE partition_id = ? AND sink = 'mysql' AND state <> 'stored' AND version > sqlc.arg(above) AND version <= sqlc.arg(to_version);

-- Which writes of a backup are dead letters of its restore already.
-- name: LettersOfRestore :many
SELECT version FROM dead_letters WHERE partition_id = ? AND sink = 'restore' AND version IN (sqlc.slice(versions));
