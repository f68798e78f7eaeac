-- multirow: InsertChats
-- name: InsertChat :exec
INSERT INTO chats (application_id, number, messages_count, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: ChatsAfter :many
SELECT * FROM chats WHERE application_id = ? AND number > ? ORDER BY number LIMIT ?;

-- multirow: ChatsByKeys
-- name: ChatByKey :one
SELECT * FROM chats WHERE (application_id = ? AND number = ?);

-- What follows on a whole application: ScanChats puts it behind ChatsAfter.
-- name: ChatsAfterApplication :many
SELECT * FROM chats WHERE application_id > ? ORDER BY application_id, number LIMIT ?;

-- multirow: AddMessagesCounts
-- name: AddMessagesCount :execrows
UPDATE chats SET messages_count = messages_count + sqlc.arg(delta) WHERE (application_id = ? AND number = ?);

-- name: SetMessagesCount :execrows
UPDATE chats SET messages_count = sqlc.arg(messages_count) WHERE application_id = ? AND number = ? AND messages_count <> sqlc.arg(messages_count);

-- Locks the row, as LockApplication.
-- name: LockChat :exec
UPDATE chats SET messages_count = messages_count WHERE application_id = ? AND number = ?;

-- The last number of an application's chats, of which messages and dead letters know as well, with the generation.
-- name: SeedChats :one
SELECT f.gen, CAST(GREATEST(
    COALESCE((SELECT MAX(c.number) FROM chats c WHERE c.application_id = sqlc.arg(application_id)), 0),
    COALESCE((SELECT MAX(m.chat_number) FROM messages m WHERE m.application_id = sqlc.arg(application_id)), 0),
    COALESCE((SELECT MAX(d.number) FROM dead_letters d WHERE d.application_id = sqlc.arg(application_id) AND d.chat_number = 0 AND d.kind = 'chat' AND d.sink = 'mysql'), 0),
    COALESCE((SELECT MAX(e.chat_number) FROM dead_letters e WHERE e.application_id = sqlc.arg(application_id) AND e.sink = 'mysql'), 0)
) AS SIGNED) AS number
FROM flush_cursors f WHERE f.partition_id = sqlc.arg(partition_id) AND f.sink = 'mysql';

-- The last number of an application's chats that have a row or are a dead letter.
-- name: LastChat :one
SELECT CAST(COALESCE(MAX(number), 0) AS SIGNED) AS number FROM chats WHERE application_id = ?;
