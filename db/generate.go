package db

// The plugin is built first; sqlc calls it by its path.
//go:generate go -C .. build -o .cache/sqlc-multirow ./internal/sqlc-multirow
//go:generate go -C .. tool -modfile=internal/tools/go.mod sqlc generate
