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
// is Corrupt.
func unpack(ctx context.Context, s Storage, shard Shard, rdb string) (err error) {
	in, err := s.Get(ctx, shard.File)
	if ReasonOf(err) == NotFound {
		return failure(Corrupt, "a shard is missing: %w", err)
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { _ = in.Close() }() // only read
	out, err := os.OpenFile(rdb, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return temporary(err)
	}
	defer func() {
		if err = errors.Join(err, temporary(out.Close())); err != nil {
			_ = os.Remove(rdb)
		}
	}()
	sum := &counting{hash: sha256.New()}
	read := &noting{Reader: &untilDone{ctx, io.LimitReader(in, shard.Size+1)}}
	stored := io.TeeReader(read, sum)
	written, err := decompress(out, stored, shard.RDBSize)
	if read.err != nil {
		return interrupted(ctx, failure(StorageUnreachable, "%s can't be read: %w", shard.File, read.err))
	}
	var failed *Error
	if errors.As(err, &failed) {
		return err
	}
	if _, rest := io.Copy(io.Discard, stored); rest != nil {
		return interrupted(ctx, failure(StorageUnreachable, "%s can't be read: %w", shard.File, rest))
	}
	switch got := hex.EncodeToString(sum.hash.Sum(nil)); {
	case sum.size != shard.Size:
		return failure(Corrupt, "%s has %d bytes or more where %d were stored", shard.File, sum.size, shard.Size)
	case got != shard.SHA256:
		return failure(Corrupt, "%s has the SHA-256 %s, and %s was stored", shard.File, got, shard.SHA256)
	case err != nil:
		return failure(Corrupt, "%s can't be decompressed: %w", shard.File, err)
	case written != shard.RDBSize:
		return failure(Corrupt, "%s holds %d bytes of RDB, and %d were stored", shard.File, written, shard.RDBSize)
	}
	return nil
}

// decompress writes no more than one byte above size, so that a wrong file does not fill the disk. Its *Error is about w.
func decompress(w io.Writer, r io.Reader, size int64) (int64, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	in := &noting{Reader: io.LimitReader(z, size+1)}
	n, err := io.Copy(w, in)
	if err != nil && in.err == nil {
		if err = temporary(err); ReasonOf(err) == Failed {
			err = &Error{Failed, err}
		}
	}
	return n, err
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
