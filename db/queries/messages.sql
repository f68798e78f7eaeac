-- multirow: InsertMessages
-- name: InsertMessage :exec
INSERT INTO messages (application_id, chat_number, number, body, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- An edit applies only over a lower version.
-- name: UpdateMessage :execrows
UPDATE messages SET body = ?, version = sqlc.arg(version), updated_at = ?
WHERE application_id = ? AND chat_number = ? AND number = ? AND version < sqlc.arg(version);

-- Whether any edit waits as a dead letter is asked once a statement; asked for each row it would cost a quarter of the read.
-- multirow: MessagesByKeys
-- name: MessageByKey :one
SELECT m.*, EXISTS (
    SELECT 1 FROM dead_letters d WHERE d.state = 'open' AND d.kind = 'edit' AND d.sink = 'mysql'
) AS edits_refused
FROM messages m WHERE (m.application_id = ? AND m.chat_number = ? AND m.number = ?);

-- name: MessagesAfter :many
SELECT * FROM messages WHERE application_id = ? AND chat_number = ? AND number > ? ORDER BY number LIMIT ?;

-- What follows on a whole chat, then on a whole application: ScanMessages puts the three together. One condition for all
-- of it would make SQLite, or a row comparison MySQL, read the table from its beginning.
-- name: MessagesAfterChat :many
SELECT * FROM messages WHERE application_id = ? AND chat_number > ? ORDER BY chat_number, number LIMIT ?;

-- name: MessagesAfterApplication :many
SELECT * FROM messages WHERE application_id > ? ORDER BY application_id, chat_number, number LIMIT ?;

-- Numbers, not rows: a dead letter that is not stored counts.
-- name: RecountMessages :one
SELECT CAST((SELECT COUNT(*) FROM messages m WHERE m.application_id = sqlc.arg(application_id) AND m.chat_number = sqlc.arg(chat_number))
          + (SELECT COUNT(*) FROM dead_letters d WHERE d.application_id = sqlc.arg(application_id) AND d.chat_number = sqlc.arg(chat_number)
             AND d.kind = 'message' AND d.sink = 'mysql' AND d.state <> 'stored') AS SIGNED) AS counted;

-- The last number of a chat's messages, dead letters included, with the generation.
-- name: SeedMessages :one
SELECT f.gen, CAST(GREATEST(
    COALESCE((SELECT MAX(m.number) FROM messages m WHERE m.application_id = sqlc.arg(application_id) AND m.chat_number = sqlc.arg(chat_number)), 0),
    COALESCE((SELECT MAX(d.number) FROM dead_letters d WHERE d.application_id = sqlc.arg(application_id) AND d.chat_number = sqlc.arg(chat_number) AND d.sink = 'mysql'), 0)
) AS SIGNED) AS number
FROM flush_cursors f WHERE f.partition_id = sqlc.arg(partition_id) AND f.sink = 'mysql';

-- name: CountMessagesOfChats :many
SELECT chat_number, COUNT(*) AS counted FROM messages
WHERE application_id = ? AND chat_number IN (sqlc.slice(chat_numbers)) GROUP BY chat_number;

-- name: CountDeadMessagesOfChats :many
SELECT chat_number, COUNT(*) AS counted FROM dead_letters
WHERE application_id = ? AND chat_number IN (sqlc.slice(chat_numbers)) AND kind = 'message' AND sink = 'mysql' AND state <> 'stored' GROUP BY chat_number;
