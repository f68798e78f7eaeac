package search

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func openLocal(t *testing.T, dir string) *Local {
	t.Helper()
	l, err := OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestLocalConforms(t *testing.T) {
	t.Parallel()
	conform(t, engine{openLocal(t, t.TempDir()), func(*testing.T) {}})
}

func TestLocalKeepsWhatWasPut(t *testing.T) {
	t.Parallel()
	dir, crashed := t.TempDir(), t.TempDir()
	l := openLocal(t, dir)
	scope := newScope()
	put(t, engine{l, func(*testing.T) {}}, messages(scope, "the cat", "the dog")...)
	copyFiles(t, dir, crashed) // what a crash right now would leave
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, crashed} {
		again := openLocal(t, d)
		if r := find(t, again, scope, "the"); len(r.Hits) != 2 {
			t.Errorf("after opening again %d of 2 are found", len(r.Hits))
		}
	}
}

func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, filepath.Base(path)), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLocalIsForOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openLocal(t, dir)
	if l, err := OpenLocal(dir); err == nil {
		_ = l.Close()
		t.Fatal("a folder can be opened twice")
	}
}

func TestLocalClosed(t *testing.T) {
	t.Parallel()
	l := openLocal(t, t.TempDir())
	if err := l.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if l.Ready(t.Context()) == nil {
		t.Error("a closed index is ready")
	}
	if _, err := l.Put(t.Context(), messages(newScope(), "cat")); err == nil {
		t.Error("a closed index takes messages")
	}
	if _, err := l.Search(t.Context(), Query{Chat: newScope(), Text: "cat", Limit: 1}); err == nil {
		t.Error("a closed index finds messages")
	}
}
