-- multirow: InsertIdempotencyKeys
-- name: InsertIdempotencyKey :exec
INSERT INTO idempotency_keys (application_id, key_hash, payload_hash, answer, created_at) VALUES (?, ?, ?, ?, ?);

-- name: IdempotencyKey :one
SELECT * FROM idempotency_keys WHERE application_id = ? AND key_hash = ?;

-- name: OldIdempotencyKeys :many
SELECT application_id, key_hash FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?;

-- multirow: DeleteIdempotencyKeys
-- name: DeleteIdempotencyKey :exec
DELETE FROM idempotency_keys WHERE (application_id = ? AND key_hash = ?);
