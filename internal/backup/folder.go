package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder is a Storage on a file system.
type folder struct{ path string }

const unfinished = ".unfinished-" // what begins with it is not complete

func openFolder(path string) (Storage, error) {
	full, err := filepath.Abs(path)
	if err == nil {
		err = os.MkdirAll(full, 0o700)
	}
	return &folder{full}, stored(err)
}

// Location implements Storage.
func (f *folder) Location() string { return f.path }

// Put implements Storage. What a crash leaves is either the old file or the new one, under its name.
func (f *folder) Put(ctx context.Context, file string, r io.Reader) error {
	t, err := os.CreateTemp(f.path, unfinished)
	if err != nil {
		return stored(err)
	}
	defer func() { _ = os.Remove(t.Name()) }() // gone where it was renamed
	in := &noting{Reader: r}
	_, err = io.Copy(t, in)
	if in.err != nil {
		_ = t.Close() // it is removed
		return in.err
	}
	if err == nil {
		err = t.Sync()
	}
	if err = errors.Join(err, t.Close()); err != nil {
		return stored(err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := os.Rename(t.Name(), filepath.Join(f.path, file)); err != nil {
		return stored(err)
	}
	return stored(f.sync())
}

// sync makes renames and removals last.
func (f *folder) sync() error {
	d, err := os.Open(f.path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get implements Storage.
func (f *folder) Get(_ context.Context, file string) (io.ReadCloser, error) {
	r, err := os.Open(filepath.Join(f.path, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failure(NotFound, "%s holds no %s", f.path, file)
	}
	if err != nil {
		return nil, stored(err)
	}
	return r, nil
}

// List implements Storage.
func (f *folder) List(context.Context) ([]File, error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, stored(err)
	}
	var files []File
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // removed since
			continue
		}
		if err != nil {
			return nil, stored(err)
		}
		if info.Mode().IsRegular() {
			files = append(files, File{e.Name(), info.Size(), info.ModTime(), strings.HasPrefix(e.Name(), unfinished)})
		}
	}
	return files, nil
}

// Delete implements Storage.
func (f *folder) Delete(_ context.Context, file File) error {
	err := os.Remove(filepath.Join(f.path, file.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = f.sync()
	}
	return stored(err)
}

// noting remembers with what its reader failed, so that it is told from what the other side of a copy failed with.
type noting struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (n *noting) Read(b []byte) (int, error) {
	c, err := n.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return c, err
}
