-- name: InsertApplication :exec
INSERT INTO applications (id, token, name, chats_count, created_at, updated_at) VALUES (?, ?, ?, 0, ?, ?);

-- name: ApplicationByToken :one
SELECT * FROM applications WHERE token = ?;

-- name: ApplicationByID :one
SELECT * FROM applications WHERE id = ?;

-- The page is found in the index alone: for whole rows MySQL would rather sort the table.
-- name: ApplicationsPage :many
SELECT a.* FROM (
    SELECT i.id FROM applications i
    WHERE i.created_at >= sqlc.arg(created_at) AND (i.created_at > sqlc.arg(created_at) OR i.id > sqlc.arg(id))
    ORDER BY i.created_at, i.id LIMIT ?
) page JOIN applications a ON a.id = page.id ORDER BY a.created_at, a.id;

-- name: ApplicationsScan :many
SELECT * FROM applications WHERE id > ? ORDER BY id LIMIT ?;

-- name: RenameApplication :exec
UPDATE applications SET name = ?, updated_at = ? WHERE token = ?;

-- name: AddChatsCount :exec
UPDATE applications SET chats_count = chats_count + sqlc.arg(delta) WHERE id = sqlc.arg(id);

-- Locks the row, so that no flush raises the count between the recount and its repair.
-- name: LockApplication :exec
UPDATE applications SET chats_count = chats_count WHERE id = ?;

-- name: RecountChats :one
SELECT CAST((SELECT COUNT(*) FROM chats WHERE chats.application_id = sqlc.arg(id))
          + (SELECT COUNT(*) FROM dead_letters d WHERE d.application_id = sqlc.arg(id) AND d.kind = 'chat' AND d.sink = 'mysql' AND d.state <> 'stored') AS SIGNED) AS counted;

-- name: SetChatsCount :execrows
UPDATE applications SET chats_count = sqlc.arg(chats_count) WHERE id = sqlc.arg(id) AND chats_count <> sqlc.arg(chats_count);
