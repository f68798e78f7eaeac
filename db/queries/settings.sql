-- name: Setting :one
SELECT value FROM settings WHERE name = ?;

-- name: InsertSetting :exec
INSERT INTO settings (name, value) VALUES (?, ?);
