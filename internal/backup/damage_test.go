package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// change rewrites a stored file.
func change(t *testing.T, s Storage, file string, how func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(s.Location(), file)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, how(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func changeManifest(t *testing.T, s Storage, name string, how func(*Manifest)) {
	t.Helper()
	change(t, s, manifestFile(name), func(text []byte) []byte {
		var m Manifest
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		how(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
}

// Whatever happens to what was stored is noticed, and not taken for a backup.
func TestDamageIsNoticed(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	accepted := fill(t, s.URL, 2, 30)
	taken := configured(t, s.URL)
	mustTake(t, taken, "x")
	shard, other := shardFile("x", 0), shardFile("y", 0)
	for name, damage := range map[string]func(t *testing.T, s Storage){
		"a flipped bit": func(t *testing.T, s Storage) {
			change(t, s, shard, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		},
		"a flipped bit of its last byte": func(t *testing.T, s Storage) {
			change(t, s, shard, func(b []byte) []byte { b[len(b)-1] ^= 128; return b })
		},
		"cut short": func(t *testing.T, s Storage) {
			change(t, s, shard, func(b []byte) []byte { return b[:len(b)-1] })
		},
		"longer": func(t *testing.T, s Storage) {
			change(t, s, shard, func(b []byte) []byte { return append(b, 0) })
		},
		"an empty file": func(t *testing.T, s Storage) {
			change(t, s, shard, func([]byte) []byte { return nil })
		},
		"a missing shard": func(t *testing.T, s Storage) {
			if err := s.Delete(t.Context(), File{Name: shard}); err != nil {
				t.Fatal(err)
			}
		},
		"a manifest of another backup": func(t *testing.T, s Storage) { changeManifest(t, s, "x", func(m *Manifest) { m.Name = "y" }) },
		"a manifest of another shard": func(t *testing.T, s Storage) {
			changeManifest(t, s, "x", func(m *Manifest) { m.Shards[0].File = other })
		},
		"a manifest that leads elsewhere": func(t *testing.T, s Storage) {
			changeManifest(t, s, "x", func(m *Manifest) { m.Shards[0].File = "../" + shard })
		},
		"a manifest without shards": func(t *testing.T, s Storage) { changeManifest(t, s, "x", func(m *Manifest) { m.Shards = nil }) },
		"a manifest with another SHA-256": func(t *testing.T, s Storage) {
			changeManifest(t, s, "x", func(m *Manifest) { m.Shards[0].SHA256 = strings.Repeat("0", 64) })
		},
		"a manifest with another RDB size": func(t *testing.T, s Storage) { changeManifest(t, s, "x", func(m *Manifest) { m.Shards[0].RDBSize-- }) },
		"a manifest cut short": func(t *testing.T, s Storage) {
			change(t, s, manifestFile("x"), func(b []byte) []byte { return b[:len(b)-5] })
		},
		"an empty manifest": func(t *testing.T, s Storage) { change(t, s, manifestFile("x"), func([]byte) []byte { return nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := taken
			c.Storage = copied(t, taken.Storage)
			damage(t, c.Storage)
			_, err := Open(t.Context(), c.Storage, "x", c.Programs)
			mustFail(t, err, Corrupt)
			to := filepath.Join(t.TempDir(), "plain.rdb")
			_, err = Fetch(t.Context(), c.Storage, "x", to)
			mustFail(t, err, Corrupt)
			if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) > 0 {
				t.Fatalf("fetch left %v, %v", left, err)
			}
			m, err := Verify(t.Context(), c, "x")
			mustFail(t, err, Corrupt)
			if m.Reason != Corrupt || m.Error == "" || m.Verified() {
				t.Fatalf("%+v", m)
			}
			all, err := List(t.Context(), c.Storage)
			if err != nil || len(all) != 1 || all[0].Verified() || all[0].Reason != Corrupt {
				t.Fatalf("%+v, %v", all, err)
			}
			mustTake(t, c, "x") // anew
			mustHold(t, c, "x", accepted)
		})
	}
}

// copied is a folder with the same files.
func copied(t *testing.T, s Storage) Storage {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.Location())); err != nil {
		t.Fatal(err)
	}
	copied, err := OpenStorage(dir, S3{})
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

// replaceRDB stores other bytes with a manifest that fits them.
func replaceRDB(t *testing.T, s Storage, name string, rdb []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "other.rdb")
	if err := os.WriteFile(file, rdb, 0o600); err != nil {
		t.Fatal(err)
	}
	shard, err := pack(t.Context(), s, shardFile(name, 0), file)
	if err != nil {
		t.Fatal(err)
	}
	changeManifest(t, s, name, func(m *Manifest) { m.Shards[0] = shard })
}

// What redis-server does not load is Corrupt, and what is too new for it TooOld, which says nothing about the backup.
func TestAnRDBThatDoesNotLoad(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	fill(t, s.URL, 1, 30)
	taken := configured(t, s.URL)
	mustTake(t, taken, "x")
	plain := filepath.Join(t.TempDir(), "plain.rdb")
	if _, err := Fetch(t.Context(), taken.Storage, "x", plain); err != nil {
		t.Fatal(err)
	}
	rdb, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rdb  []byte
		want Reason
	}{
		"no RDB":          {[]byte("no RDB at all, and long enough"), Corrupt},
		"half of it":      {rdb[:len(rdb)/2], Corrupt},
		"wrong in itself": {bytes.Replace(rdb, []byte("message"), []byte("massage"), 1), Corrupt},
		"too new":         {append([]byte("REDIS9999"), rdb[9:]...), TooOld},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := taken
			run.Storage = copied(t, taken.Storage)
			replaceRDB(t, run.Storage, "x", c.rdb)
			_, err := Verify(t.Context(), run, "x")
			mustFail(t, err, c.want)
			if m, err := ReadManifest(t.Context(), run.Storage, "x"); err != nil || m.Verified() != (c.want == TooOld) {
				t.Fatalf("%+v, %v", m, err)
			}
		})
	}
}

// A pod whose memory is short says nothing about the backup.
func TestARedisThatIsKilledWhileItLoadsIsNotTheBackupsFault(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	c := configured(t, s.URL)
	mustTake(t, c, "x")
	killed := c
	killed.Programs.Server = filepath.Join(t.TempDir(), "redis-server")
	if err := os.WriteFile(killed.Programs.Server, []byte("#!/bin/sh\nkill -9 $$\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := Verify(t.Context(), killed, "x")
	mustFail(t, err, Killed)
	if m.Reason != Killed {
		t.Fatalf("%+v", m)
	}
	if m, err := ReadManifest(t.Context(), c.Storage, "x"); err != nil || !m.Verified() {
		t.Fatalf("%+v, %v", m, err)
	}
}

// Keys that do not agree make a backup that failed.
func TestABackupWhoseKeysDoNotAgreeIsNotVerified(t *testing.T) {
	t.Parallel()
	s, rdb := redisOf(t)
	fill(t, s.URL, 1, 3)
	c := configured(t, s.URL)
	mustTake(t, c, "good")
	streams := rdb.Keys(t.Context(), "chat:{*}:stream").Val()
	if len(streams) == 0 {
		t.Fatal("no stream")
	}
	if err := rdb.Do(t.Context(), "XADD", streams[0], "*", "h", "nonsense").Err(); err != nil {
		t.Fatal(err)
	}
	m, err := Take(t.Context(), c, "bad")
	mustFail(t, err, Inconsistent)
	if m.Verified() || !strings.Contains(m.Error, streams[0]) {
		t.Fatalf("%+v", m)
	}
	all, err := List(t.Context(), c.Storage)
	if err != nil || len(all) != 2 || all[0].Name != "bad" || all[0].Reason != Inconsistent || !all[1].Verified() {
		t.Fatalf("%+v, %v", all, err)
	}
}

func TestPruneDeletesWhatThePlanSaysAndWhatKilledRunsLeft(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	fill(t, s.URL, 1, 1)
	c := configured(t, s.URL)
	for _, name := range []string{"one", "two", "three"} {
		mustTake(t, c, name)
	}
	for _, file := range []string{unfinished + "1", shardFile("killed", 0), "note.txt"} {
		if err := os.WriteFile(filepath.Join(c.Storage.Location(), file), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ds, left, err := Prune(t.Context(), c.Storage, Policy{Last: 2}, time.Now(), true)
	if err != nil || len(ds) != 3 || ds[2].Keep || ds[2].Name != "one" || len(left) != 0 {
		t.Fatalf("%+v, %+v, %v", ds, left, err)
	}
	if all, err := List(t.Context(), c.Storage); err != nil || len(all) != 3 {
		t.Fatalf("a dry run deleted: %+v, %v", all, err)
	}
	for range 2 {
		if _, left, err = Prune(t.Context(), c.Storage, Policy{Last: 2}, time.Now().Add(25*time.Hour), false); err != nil {
			t.Fatal(err)
		}
	}
	files, err := c.Storage.List(t.Context())
	if err != nil || len(files) != 5 || len(left) != 0 {
		t.Fatalf("%+v, %+v, %v", files, left, err)
	}
	for range 2 {
		if err := Delete(t.Context(), c.Storage, "two"); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Open(t.Context(), c.Storage, "two", c.Programs)
	mustFail(t, err, NotFound)
	_, err = Verify(t.Context(), c, "two")
	mustFail(t, err, NotFound)
	mustFail(t, Delete(t.Context(), c.Storage, "../x"), Invalid)
}

// A disk that is full is told from other failures, and nothing of what did not fit stays.
func TestAFullDiskIsSaidAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s, rdb := redisOf(t)
	var noise bytes.Buffer // does not compress
	if _, err := io.CopyN(&noise, rand.Reader, 8<<20); err != nil {
		t.Fatal(err)
	}
	rdb.Set(t.Context(), "chat:{0}:noise", noise.Bytes(), 0)
	c := configured(t, s.URL)
	const bound = "ulimit -f 2000;" // KiB of a file
	for name, of := range map[string]struct {
		task childTask
		want Reason
	}{
		"the storage's":                      {childTask{Put: 8 << 20}, StorageFull},
		"that of temporary files":            {childTask{Method: Replication}, TemporaryFull},
		"that of temporary files, by a dump": {childTask{Method: Dump}, TemporaryFull},
	} {
		of.task.Storage, of.task.Redis, of.task.Name = c.Storage.Location(), c.Redis, "x"
		out, err := child(t, of.task, bound).CombinedOutput()
		if err == nil || !strings.HasPrefix(lastLine(strings.TrimSpace(string(out))), string(of.want)+" ") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		mustBeEmpty(t, c.Storage)
	}
	mustTake(t, c, "x")
}

// fullFor is a storage that has no room for one file.
type fullFor struct {
	Storage
	file string
}

// Put implements Storage.
func (f fullFor) Put(ctx context.Context, file string, r io.Reader) error {
	if file == f.file {
		return stored(syscall.ENOSPC)
	}
	return f.Storage.Put(ctx, file, r)
}

func TestARunThatFindsTheStorageFullLeavesNothing(t *testing.T) {
	t.Parallel()
	url, _ := cluster(t)
	fill(t, url, 4, 2)
	c := configured(t, url)
	for _, file := range []string{shardFile("x", 0), shardFile("x", 1), manifestFile("x")} {
		full := c
		full.Storage = fullFor{c.Storage, file}
		m, err := Take(t.Context(), full, "x")
		mustFail(t, err, StorageFull)
		if m.Reason != StorageFull || m.Verified() {
			t.Fatalf("%+v", m)
		}
		mustBeEmpty(t, c.Storage)
	}
	mustTake(t, c, "x")
}

// A run is killed at many moments. What it leaves is no backup, or a whole one; the next run works.
func TestAKilledRunLeavesNoBackupThatLooksWhole(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	accepted := fill(t, s.URL, 2, 200)
	whole := 0
	for _, until := range []string{"", unfinished, shardSuffix, suffix} {
		c := configured(t, s.URL)
		run := child(t, childTask{Storage: c.Storage.Location(), Redis: c.Redis, Name: "x", Method: Auto}, "")
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		go func() {
			_ = run.Wait() // it is killed
			close(gone)
		}()
		await(t, "the run comes to "+until, func() error {
			files, err := c.Storage.List(t.Context())
			if err != nil {
				return err
			}
			for _, f := range files {
				if strings.Contains(f.Name, until) {
					return nil
				}
			}
			select {
			case <-gone:
				return nil
			default:
			}
			if until == "" {
				return nil
			}
			return errors.New("not yet")
		})
		_ = run.Process.Kill() // or it has ended
		<-gone
		all, err := List(t.Context(), c.Storage)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			whole++
			if m.Error != "" {
				t.Fatalf("killed at %q it left %+v", until, m)
			}
			mustHold(t, c, m.Name, accepted)
		}
		if m := mustTake(t, c, "x"); !m.Verified() {
			t.Fatalf("%+v", m)
		}
		mustHold(t, c, "x", accepted)
	}
	if whole == 0 {
		t.Fatal("no run came as far as its manifest")
	}
}

// The redis-server and redis-cli of a run that is killed end with it.
func TestTheProgramsOfAKilledRunEnd(t *testing.T) {
	t.Parallel()
	s, rdb := redisOf(t, "--repl-diskless-sync-delay", "3600") // it never begins
	c := configured(t, s.URL)
	run := child(t, childTask{Storage: c.Storage.Location(), Redis: c.Redis, Name: "x", Method: Replication}, "")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	connected := func(want string) func() error {
		return func() error {
			if info := rdb.Info(t.Context(), "replication").Val(); !strings.Contains(info, "connected_slaves:"+want) {
				return errors.New(info)
			}
			return nil
		}
	}
	await(t, "redis-cli is there", connected("1"))
	_ = run.Process.Kill()
	_ = run.Wait()
	await(t, "redis-cli is gone", connected("0"))
	mustBeEmpty(t, c.Storage)
}

// What its source fails with is not the storage's fault, and stores nothing.
func TestPutStoresAllOrNothing(t *testing.T) {
	t.Parallel()
	s, err := OpenStorage(t.TempDir(), S3{})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := s.Put(t.Context(), "x", io.MultiReader(strings.NewReader("some"), failing{broken})); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Put(ctx, "x", strings.NewReader("all")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	mustBeEmpty(t, s)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A small file that would grow without end is not written out.
func TestWhatGrowsWhenItIsDecompressedIsCutOff(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err == nil {
		_, err = z.Write(make([]byte, 64<<20))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, _, err := decompress(&out, &packed, 100); err != nil || n != 101 || out.Len() != 101 {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// Three weeks of backups, one each hour: the last day's, a day's last of a week, a week's last; each file that stays is needed.
func TestPruneOfFiveHundredBackups(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	fill(t, s.URL, 1, 1)
	c := configured(t, s.URL)
	m := mustTake(t, c, "hour-000")
	folder := c.Storage.Location()
	data, err := os.ReadFile(filepath.Join(folder, m.Shards[0].File))
	if err != nil {
		t.Fatal(err)
	}
	last := time.Date(2030, 5, 6, 12, 0, 0, 0, time.UTC) // a Monday
	for i := range 500 {
		of := m
		at := last.Add(-time.Duration(i) * time.Hour)
		of.Name, of.StartedAt, of.FinishedAt, of.VerifiedAt = fmt.Sprintf("hour-%03d", i), at, at, &at
		of.Shards = []Shard{m.Shards[0]}
		of.Shards[0].File = shardFile(of.Name, 0)
		text, err := json.Marshal(of)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{of.Shards[0].File: data, manifestFile(of.Name): text} {
			if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, err := Prune(t.Context(), c.Storage, Policy{Last: 3, Hourly: 24, Daily: 7, Weekly: 4}, last.Add(time.Minute), false); err != nil {
		t.Fatal(err)
	}
	all, err := List(t.Context(), c.Storage)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, b := range all {
		kept = append(kept, b.Name)
	}
	slices.Sort(kept)
	var want []string
	for i := range 24 {
		want = append(want, fmt.Sprintf("hour-%03d", i))
	}
	for day := 1; day <= 5; day++ { // the hours before midnight: of today, and of yesterday at 23:00, stay anyway
		want = append(want, fmt.Sprintf("hour-%03d", 13+24*day))
	}
	for week := range 2 { // Sunday's 23:00 is the last of a week, the first of which stays anyway
		want = append(want, fmt.Sprintf("hour-%03d", 13+24*7*(week+1)))
	}
	if !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
	if files, err := c.Storage.List(t.Context()); err != nil || len(files) != 2*len(want) {
		t.Errorf("%d files of %d backups, %v", len(files), len(want), err)
	}
	if _, err := Verify(t.Context(), c, want[len(want)-1]); err != nil {
		t.Error(err)
	}
}
