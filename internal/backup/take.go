package backup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const cleanupTimeout = 30 * time.Second // for removing what a failed run put into the storage

// Config is what a run needs.
type Config struct {
	Storage  Storage
	Redis    string // its URL, such as queue.Connect takes
	Method   Method
	Verify   bool // whether Take loads what it took
	Programs Programs
	Log      *slog.Logger
}

// Take takes a backup and, where that is configured, verifies it. One of that name that is whole already is not taken
// again: a run that is tried again changes nothing. The Manifest tells what came of it, also beside an *Error.
func Take(ctx context.Context, c Config, name string) (Manifest, error) {
	m, err := c.take(ctx, name)
	if err == nil && c.Verify && !m.Verified() {
		return Verify(ctx, c, name)
	}
	return m.with(err), err
}

// with gives the manifest the error of a run.
func (m Manifest) with(err error) Manifest {
	if err != nil {
		m.Error, m.Reason = err.Error(), ReasonOf(err)
	}
	return m
}

func (c *Config) take(ctx context.Context, name string) (Manifest, error) {
	m := Manifest{Name: name, Location: c.Storage.Location(), StartedAt: now()}
	old, err := c.existing(ctx, name)
	switch {
	case err != nil:
		return m, err
	case old != nil:
		c.Log.Info("the backup exists already", "name", name)
		return *old, nil
	}
	from, err := connect(ctx, c.Redis)
	if err != nil {
		return m, err
	}
	defer from.close()
	if err := from.describe(ctx, &m); err != nil {
		return m, err
	}
	m.Method = c.Method
	if m.Method == Auto {
		m.Method = Replication
	}
	err = c.copy(ctx, from, &m)
	if errors.Is(err, errForbidden) && c.Method == Auto {
		c.Log.Warn("the backup is taken key by key, and is not of one moment", "name", name, "because", err.Error())
		m.Method = Dump
		err = c.copy(ctx, from, &m)
	}
	if err == nil {
		err = from.moved(ctx)
	}
	if err == nil {
		m.FinishedAt, m.Consistent = now(), m.Method == Replication
		err = m.write(ctx, c.Storage)
	}
	if err != nil {
		c.undo(ctx, &m)
		return m, err
	}
	c.Log.Info("the backup is taken", "name", name, "method", string(m.Method), "shards", len(m.Shards), "bytes", m.Size,
		"took", m.FinishedAt.Sub(m.StartedAt).Round(time.Millisecond).String())
	return m, nil
}

// existing gives the backup of that name if it is whole. What is there of one that is not goes.
func (c *Config) existing(ctx context.Context, name string) (*Manifest, error) {
	m, err := ReadManifest(ctx, c.Storage, name)
	if err == nil {
		var files []File
		if files, err = c.Storage.List(ctx); err == nil {
			err = m.whole(files)
		}
	}
	switch reason := ReasonOf(err); {
	case reason == NotFound:
		return nil, nil
	case reason == Corrupt, err == nil && m.Error != "":
		c.Log.Warn("the backup of this name failed, and is taken anew", "name", name, "error", m.with(err).Error)
		return nil, Delete(ctx, c.Storage, name)
	case err != nil:
		return nil, interrupted(ctx, err)
	}
	return &m, nil
}

// copy puts each master's RDB into the storage.
func (c *Config) copy(ctx context.Context, from *source, m *Manifest) error {
	dir, err := workFolder()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is in it is stored
	m.Shards, m.Size = nil, 0
	for i, master := range from.masters {
		rdb := filepath.Join(dir, "dump.rdb")
		if m.Method == Dump {
			err = dump(ctx, master, c.Programs, rdb)
		} else {
			err = replicate(ctx, master, c.Programs, rdb)
		}
		if err != nil {
			return temporary(err)
		}
		shard, err := pack(ctx, c.Storage, shardFile(m.Name, i), rdb)
		if err != nil {
			return err
		}
		m.Shards, m.Size = append(m.Shards, shard), m.Size+shard.Size
		if err := os.Remove(rdb); err != nil {
			return err
		}
	}
	return nil
}

// undo removes what a failed run put into the storage, the manifest first: whether it arrived may not be known.
func (c *Config) undo(ctx context.Context, m *Manifest) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := Delete(ctx, c.Storage, m.Name); err != nil {
		c.Log.Warn("what the failed backup left is not removed; prune does it after a day", "name", m.Name, "error", err.Error())
	}
}

// now is the time to the millisecond, as a manifest holds it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
