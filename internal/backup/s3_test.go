package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"chat-system/internal/enginetest"
)

func s3Storage(t *testing.T, s *enginetest.S3Server, bucket, secret string) Storage {
	t.Helper()
	storage, err := OpenStorage("s3://"+bucket+"/some/prefix", S3{Endpoint: s.URL, Region: "us-east-1", KeyID: s.KeyID, SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	return storage
}

func TestABackupInS3(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	accepted := fill(t, s.URL, 3, 20)
	server := enginetest.S3(t)
	c := configured(t, s.URL)
	c.Storage = s3Storage(t, server, server.Bucket, server.Secret)
	mustBeEmpty(t, c.Storage)
	m := mustTake(t, c, "first")
	if !m.Verified() || m.Location != "s3://backups/some/prefix" {
		t.Fatalf("%+v", m)
	}
	mustHold(t, c, "first", accepted)
	mustTake(t, c, "second")
	root, err := OpenStorage("s3://"+server.Bucket, S3{Endpoint: server.URL, Region: "us-east-1", KeyID: server.KeyID, SecretKey: server.Secret})
	if err != nil {
		t.Fatal(err)
	}
	mustBeEmpty(t, root) // what lies below another prefix is not its own
	if ds, _, err := Prune(t.Context(), c.Storage, Policy{Last: 1}, time.Now(), false); err != nil || len(ds) != 2 {
		t.Fatalf("%+v, %v", ds, err)
	}
	all, err := List(t.Context(), c.Storage)
	if err != nil || len(all) != 1 || all[0].Name != "second" {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := c.Storage.Delete(t.Context(), File{Name: shardFile("second", 0)}); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(t.Context(), c, "second")
	mustFail(t, err, Corrupt)
	for range 2 {
		if err := Delete(t.Context(), c.Storage, "second"); err != nil {
			t.Fatal(err)
		}
	}
	mustBeEmpty(t, c.Storage)
}

func TestFilesOfManyPartsInS3(t *testing.T) {
	t.Parallel()
	server := enginetest.S3(t)
	s := s3Storage(t, server, server.Bucket, server.Secret)
	want := make([]byte, 2*partSize+12345)
	for i := range want {
		want[i] = byte(i >> 9)
	}
	if err := s.Put(t.Context(), "x", bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := s.Get(t.Context(), "y"); ReasonOf(err) != NotFound {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := s.Put(t.Context(), "z", io.MultiReader(bytes.NewReader(want), failing{broken})); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	files, err := s.List(t.Context())
	if err != nil || len(files) != 1 || files[0].Name != "x" || files[0].Size != int64(len(want)) {
		t.Fatalf("%+v, %v", files, err)
	}
}

// A run that is killed amid a file of many parts leaves them; prune removes them after a day, and not what is whole.
func TestPruneRemovesPartsThatAKilledRunLeft(t *testing.T) {
	t.Parallel()
	server := enginetest.S3(t)
	s := s3Storage(t, server, server.Bucket, server.Secret)
	file := shardFile("x", 0)
	if err := s.Put(t.Context(), file, strings.NewReader("whole")); err != nil {
		t.Fatal(err)
	}
	const manifest = `{"name": "x", "startedAt": "2026-11-26T01:00:00Z", "verifiedAt": "2026-11-26T01:00:00Z",
		"shards": [{"file": "x.0.rdb.zst", "size": 5, "rdbSize": 5, "sha256": "0000000000000000000000000000000000000000000000000000000000000000"}]}`
	b := s.(*bucket)
	core := minio.Core{Client: b.client}
	if _, err := core.NewMultipartUpload(t.Context(), b.name, b.prefix+file, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	count := func() (whole, parts int) {
		files, err := s.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.Unfinished {
				parts++
			} else {
				whole++
			}
		}
		return whole, parts
	}
	if _, left, err := Prune(t.Context(), s, Policy{}, time.Now(), false); err != nil || len(left) != 0 {
		t.Fatalf("%+v, %v", left, err)
	}
	if whole, parts := count(); whole != 1 || parts != 1 {
		t.Fatalf("at once: %d whole ones, %d in parts", whole, parts)
	}
	if err := s.Put(t.Context(), manifestFile("x"), strings.NewReader(manifest)); err != nil {
		t.Fatal(err)
	}
	if _, left, err := Prune(t.Context(), s, Policy{}, time.Now().Add(25*time.Hour), false); err != nil || len(left) != 1 || !left[0].Unfinished {
		t.Fatalf("%+v, %v", left, err)
	}
	if whole, parts := count(); whole != 2 || parts != 0 {
		t.Fatalf("a day later: %d whole ones, %d in parts", whole, parts)
	}
}

func TestS3Failures(t *testing.T) {
	t.Parallel()
	s, _ := redisOf(t)
	server := enginetest.S3(t)
	away := &enginetest.S3Server{URL: "http://" + enginetest.FreeAddr(t), Bucket: "backups", KeyID: "tester", Secret: "s3cret"}
	for name, c := range map[string]struct {
		storage Storage
		want    Reason
	}{
		"a wrong password": {s3Storage(t, server, server.Bucket, "s3cret-wrong"), StorageRefused},
		"no such bucket":   {s3Storage(t, server, "another", server.Secret), StorageUnreachable},
		"away":             {s3Storage(t, away, away.Bucket, away.Secret), StorageUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := configured(t, s.URL)
			run.Storage = c.storage
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			m, err := Take(ctx, run, "x")
			mustFail(t, err, c.want)
			if text := string(m.Report()); strings.Contains(text, "s3cret") || strings.Contains(text, server.Secret) {
				t.Fatal(text)
			}
		})
	}
	if _, err := OpenStorage("s3://x/y", S3{Endpoint: "nowhere"}); ReasonOf(err) != Invalid {
		t.Error(err)
	}
	if _, err := OpenStorage("", S3{}); ReasonOf(err) != Invalid {
		t.Error(err)
	}
}
