package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Fetch writes the plain RDB of a backup into a new file, from which redis-server can be started; that of a Cluster into
// a folder, 0.rdb and so on. It checks the SHA-256, and what is there under the name at last is whole. Errors are an
// *Error: NotFound, Corrupt, TemporaryFull for the file's own disk, those of the storage.
func Fetch(ctx context.Context, s Storage, name, to string) (Manifest, error) {
	m, err := ReadManifest(ctx, s, name)
	if err != nil {
		return m, err
	}
	if len(m.Shards) == 1 {
		return m, fetch(ctx, s, m.Shards[0], to)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return m, err
	}
	for i, shard := range m.Shards {
		if err := fetch(ctx, s, shard, filepath.Join(to, fmt.Sprintf("%d.rdb", i))); err != nil {
			return m, err
		}
	}
	return m, nil
}

func fetch(ctx context.Context, s Storage, shard Shard, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return failure(Invalid, "%s exists already", to)
	}
	part := filepath.Join(filepath.Dir(to), unfinished+filepath.Base(to))
	_ = os.Remove(part) // a killed run's; else there is none
	err := unpack(ctx, s, shard, part)
	if err == nil {
		err = syncFile(part)
	}
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	if full(err) {
		return failure(TemporaryFull, "no room for %s: %w", to, err)
	}
	return err
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
