package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"chat-system/internal/queue"
)

const manifestSize = 16 << 20 // bytes: a partition's details take about 300

// Loaded is a backup in a redis-server of this machine for each of its shards.
type Loaded struct {
	Manifest Manifest

	shards []*Scratch
	parts  map[int]*Scratch
}

// Open fetches a backup, checks its SHA-256 and loads it. Errors are an *Error: NotFound, Corrupt, TooOld, those of the
// storage and of StartScratch. Whether its keys agree is for Verify to say.
func Open(ctx context.Context, s Storage, name string, p Programs) (*Loaded, error) {
	m, err := ReadManifest(ctx, s, name)
	if err != nil {
		return nil, err
	}
	l := &Loaded{Manifest: m, parts: map[int]*Scratch{}}
	for _, shard := range m.Shards {
		if err := l.load(ctx, s, shard, p); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

func (l *Loaded) load(ctx context.Context, s Storage, shard Shard, p Programs) error {
	dir, err := workFolder()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // once it is loaded, the file is not read again
	file := filepath.Join(dir, "dump.rdb")
	if err := unpack(ctx, s, shard, file); err != nil {
		return temporary(err)
	}
	scratch, err := StartScratch(ctx, p, file, l.Manifest.Database)
	if err != nil {
		return fmt.Errorf("%s: %w", shard.File, err)
	}
	l.shards = append(l.shards, scratch)
	partitions, err := queue.Partitions(ctx, scratch.Redis)
	if err != nil {
		return inspection(ctx, err)
	}
	for _, partition := range partitions {
		if l.parts[partition] != nil {
			return failure(Inconsistent, "%s holds partition %d, which another shard holds too", shard.File, partition)
		}
		l.parts[partition] = scratch
	}
	return nil
}

// Partitions of which the backup holds anything, in order.
func (l *Loaded) Partitions() []int { return slices.Sorted(maps.Keys(l.parts)) }

// Entries are all entries of a partition, oldest first, such as queue.Entries gives them; none where the backup has none.
func (l *Loaded) Entries(ctx context.Context, partition int) iter.Seq2[queue.Entry, error] {
	scratch := l.parts[partition]
	if scratch == nil {
		return func(func(queue.Entry, error) bool) {}
	}
	return queue.Entries(ctx, scratch.Redis, partition)
}

// Close ends the redis-servers.
func (l *Loaded) Close() error {
	var errs []error
	for _, s := range l.shards {
		errs = append(errs, s.Close())
	}
	l.shards, l.parts = nil, nil
	return errors.Join(errs...)
}

// ReadManifest reads that of a backup. Errors are an *Error: NotFound, Corrupt, Invalid for the name, those of the storage.
func ReadManifest(ctx context.Context, s Storage, name string) (Manifest, error) {
	if err := CheckName(name); err != nil {
		return Manifest{}, err
	}
	r, err := s.Get(ctx, manifestFile(name))
	if ReasonOf(err) == NotFound {
		return Manifest{}, failure(NotFound, "there is no backup %s in %s", name, s.Location())
	}
	if err != nil {
		return Manifest{}, interrupted(ctx, err)
	}
	defer func() { _ = r.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(r, manifestSize))
	if err != nil {
		return Manifest{}, interrupted(ctx, failure(StorageUnreachable, "the manifest of %s can't be read: %w", name, err))
	}
	return parseManifest(name, text)
}

// write stores the manifest: from now on the backup exists.
func (m *Manifest) write(ctx context.Context, s Storage) error {
	r, w := io.Pipe()
	go func() {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = w.CloseWithError(e.Encode(m))
	}()
	err := s.Put(ctx, manifestFile(m.Name), r)
	_ = r.CloseWithError(io.ErrClosedPipe) // ends the goroutine where Put failed
	return interrupted(ctx, err)
}

// inspection gives what queue.Inspect and its kin answer its reason.
func inspection(ctx context.Context, err error) error {
	if errors.Is(err, queue.ErrDisagrees) {
		return &Error{Inconsistent, err}
	}
	return interrupted(ctx, err)
}
