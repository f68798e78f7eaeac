package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// pack compresses an RDB file into the storage and says what was stored there.
func pack(ctx context.Context, s Storage, file, rdb string) (Shard, error) {
	in, err := os.Open(rdb) //nolint:gosec // a file of ours
	if err != nil {
		return Shard{}, err
	}
	defer func() { _ = in.Close() }() // only read
	sum := &counting{hash: sha256.New()}
	out, pipe := io.Pipe()
	size := make(chan int64, 1)
	go func() {
		n, err := compress(pipe, &untilDone{ctx, in})
		size <- n
		_ = pipe.CloseWithError(err)
	}()
	err = s.Put(ctx, file, io.TeeReader(out, sum))
	_ = out.CloseWithError(errors.New("backup: no longer read")) // ends the goroutine where Put failed
	n := <-size
	return Shard{File: file, Size: sum.size, SHA256: hex.EncodeToString(sum.hash.Sum(nil)), RDBSize: n}, interrupted(ctx, err)
}

func compress(w io.Writer, r io.Reader) (int64, error) {
	z, err := zstd.NewWriter(w)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(z, r)
	return n, errors.Join(err, z.Close())
}

// unpack writes the plain RDB of a shard into a new file, which is removed again where the shard is not what it was: then it
// is Corrupt. What the file itself fails with is returned as it is.
func unpack(ctx context.Context, s Storage, shard Shard, rdb string) (err error) {
	in, err := s.Get(ctx, shard.File)
	if ReasonOf(err) == NotFound {
		return failure(Corrupt, "a shard is missing: %w", err)
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { _ = in.Close() }()                                      // only read
	out, err := os.OpenFile(rdb, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // a file of ours, or one that the operator names
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(rdb)
		}
	}()
	sum := &counting{hash: sha256.New()}
	read := &noting{Reader: &untilDone{ctx, io.LimitReader(in, shard.Size+1)}}
	tee := io.TeeReader(read, sum)
	size, unreadable, unwritable := decompress(out, tee, shard.RDBSize)
	if unwritable != nil {
		return unwritable
	}
	_, _ = io.Copy(io.Discard, tee) // its error is noted; what follows the compressed data is hashed too
	switch got := hex.EncodeToString(sum.hash.Sum(nil)); {
	case read.err != nil:
		return interrupted(ctx, failure(StorageUnreachable, "%s can't be read: %w", shard.File, read.err))
	case sum.size > shard.Size:
		return failure(Corrupt, "%s is longer than the %d bytes that were stored", shard.File, shard.Size)
	case sum.size < shard.Size:
		return failure(Corrupt, "%s has %d bytes, and %d were stored", shard.File, sum.size, shard.Size)
	case got != shard.SHA256:
		return failure(Corrupt, "%s has the SHA-256 %s, and %s was stored", shard.File, got, shard.SHA256)
	case unreadable != nil:
		return failure(Corrupt, "%s can't be decompressed: %w", shard.File, unreadable)
	case size != shard.RDBSize:
		return failure(Corrupt, "%s holds another number of bytes of RDB than the %d that were stored", shard.File, shard.RDBSize)
	}
	return nil
}

// decompress writes no more than one byte above size, so that a wrong file does not fill the disk.
func decompress(w io.Writer, r io.Reader, size int64) (n int64, unreadable, unwritable error) {
	z, err := zstd.NewReader(r)
	if err != nil {
		return 0, err, nil
	}
	defer z.Close()
	in := &noting{Reader: io.LimitReader(z, size+1)}
	if n, err = io.Copy(w, in); in.err == nil {
		return n, nil, err
	}
	return n, in.err, nil
}

// counting is a hash of what is written into it, and how much that was.
type counting struct {
	hash hash.Hash
	size int64
}

// Write implements io.Writer.
func (c *counting) Write(b []byte) (int, error) {
	c.size += int64(len(b))
	return c.hash.Write(b)
}

// untilDone ends reading when a context ends.
type untilDone struct {
	ctx context.Context //nolint:containedctx // of the one copy that it is made for
	io.Reader
}

// Read implements io.Reader.
func (u *untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(b)
}
