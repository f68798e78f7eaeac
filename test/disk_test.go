package test

import (
	"os"
	"path/filepath"
	"testing"

	"chat-system/internal/enginetest"
)

// The disk of the database runs full: what is accepted waits, and is stored once there is room again.
func TestTheDatabasesDiskIsFull(t *testing.T) {
	t.Parallel()
	m, disk := enginetest.MySQLOnDisk(t, 24<<20)
	s := newServiceOn(t, m, enginetest.Redis(t), 2, 1)
	l := s.newLoad(loadOptions{chats: 5, writers: 5, padding: 2000})
	l.more(between)
	full := filepath.Join(disk, "somebody's file")
	for range 2 {
		fill(t, full)
		before := s.flushers[0].log.has("flush failed")
		until(t, "flushes fail for want of room", func() bool { return s.flushers[0].log.has("flush failed") >= before+5 || t.Failed() })
		l.more(between) // and writes are accepted all the while
		if err := os.Remove(full); err != nil {
			t.Fatal(err)
		}
		l.storesAll(s)
	}
	l.check(s)
	if s.flushers[0].log.has("Error 1114")+s.flushers[0].log.has("Error 1021") == 0 {
		t.Error("no flush failed with a full table or disk")
	}
}

// fill writes a file until there is no room for more.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for size := 1 << 20; size > 0; size /= 2 {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		err = nil
	}
}
