package backup

import (
	"context"
	"errors"
	"time"

	"chat-system/internal/queue"
)

// Verify loads a backup, checks that its keys agree, and records the result in its manifest, which it gives. A failure
// that says nothing about the backup itself, such as a storage that does not answer, is an *Error and not recorded.
func Verify(ctx context.Context, c Config, name string) (Manifest, error) {
	began := time.Now()
	m, err := ReadManifest(ctx, c.Storage, name)
	if err != nil {
		return Manifest{Name: name, Location: c.Storage.Location()}.with(err), err
	}
	err = c.inspect(ctx, &m)
	switch ReasonOf(err) {
	case "":
		at := now()
		m.VerifiedAt, m.Error, m.Reason = &at, "", ""
	case Corrupt, Inconsistent:
		m.VerifiedAt = nil
	default:
		return m.with(err), err
	}
	m = m.with(err)
	if failed := m.write(ctx, c.Storage); failed != nil {
		err = errors.Join(err, failed)
		return m.with(err), err
	}
	if err == nil {
		c.Log.Info("the backup is verified: it was loaded, and its keys agree", "name", name, "partitions", m.Partitions, "entries", m.Entries,
			"keys", m.Keys, "took", time.Since(began).Round(time.Millisecond).String())
	}
	return m, err
}

// inspect loads the backup and writes what it holds into the manifest.
func (c *Config) inspect(ctx context.Context, m *Manifest) (err error) {
	l, err := Open(ctx, c.Storage, m.Name, c.Programs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var details []queue.Inspection
	var keys, entries int64
	var faults []error
	for _, shard := range l.shards {
		n, err := shard.Redis.DBSize(ctx).Result()
		if err != nil {
			return interrupted(ctx, err)
		}
		keys += n
		of, err := queue.Inspect(ctx, shard.Redis, m.Consistent)
		if err = inspection(ctx, err); err != nil && ReasonOf(err) != Inconsistent {
			return err
		}
		details, faults = append(details, of...), append(faults, err)
	}
	for _, d := range details {
		entries += d.Entries
	}
	m.Keys, m.Entries, m.Partitions, m.Details = keys, entries, len(details), details
	return errors.Join(faults...)
}
