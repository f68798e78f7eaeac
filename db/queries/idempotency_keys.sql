-- multirow: InsertIdempotencyKeys
-- name: InsertIdempotencyKey :exec
INSERT INTO idempotency_keys (application_id, key_hash, payload_hash, answer, created_at) VALUES (?, ?, ?, ?, ?);

-- multirow: IdempotencyKeysByKeys
-- name: IdempotencyKey :one
SELECT * FROM idempotency_keys WHERE (application_id = ? AND key_hash = ?);

-- name: OldIdempotencyKeys :many
SELECT application_id, key_hash FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?;

-- multirow: DeleteIdempotencyKeys
-- name: DeleteIdempotencyKey :exec
DELETE FROM idempotency_keys WHERE (application_id = ? AND key_hash = ?);

-- A key that has expired in Redis and not been purged here is used anew.
-- name: RenewIdempotencyKey :execrows
UPDATE idempotency_keys SET payload_hash = sqlc.arg(payload_hash), answer = sqlc.arg(answer), created_at = sqlc.arg(created_at)
WHERE application_id = sqlc.arg(application_id) AND key_hash = sqlc.arg(key_hash) AND created_at < sqlc.arg(before);
