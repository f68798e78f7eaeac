package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/backup"
	"chat-system/internal/enginetest"
)

// backedUp is a Redis with a user whose password is s3cret, and the variables with which it is backed up.
func backedUp(t *testing.T) (*redis.Client, []string) {
	t.Helper()
	s := enginetest.Redis(t, "--repl-diskless-sync-delay", "0")
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr})
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.Do(t.Context(), "ACL", "SETUSER", "reader", "on", ">s3cret", "~*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return rdb, []string{
		"REDIS_URL=redis://" + s.Addr + "/0", "REDIS_USERNAME=reader", "REDIS_PASSWORD=s3cret", "BACKUP_STORAGE=" + filepath.Join(dir, "store"),
		"BACKUP_REPORT=" + filepath.Join(dir, "report"), "LOG_LEVEL=debug", "PATH=" + os.Getenv("PATH"),
	}
}

func reported(t *testing.T, environ []string) (m backup.Manifest) {
	t.Helper()
	for _, kv := range environ {
		if file, ok := strings.CutPrefix(kv, "BACKUP_REPORT="); ok {
			text, err := os.ReadFile(file)
			if err == nil {
				err = json.Unmarshal(text, &m)
			}
			if err != nil || len(text) > 4096 || strings.Contains(string(text), "s3cret") {
				t.Fatalf("%v: %s", err, text)
			}
		}
	}
	return m
}

func TestBackupCommands(t *testing.T) {
	t.Parallel()
	rdb, environ := backedUp(t)
	rdb.Set(t.Context(), "key", "value", 0)
	do := func(want int, contains string, args ...string) {
		t.Helper()
		code, out, errs := said(t, environ, append([]string{"backup"}, args...)...)
		if code != want || !strings.Contains(out+errs, contains) || strings.Contains(out+errs, "s3cret") {
			t.Fatalf("chat backup %v: %d %s %s", args, code, out, errs)
		}
	}
	do(0, "take [NAME]", "list", "--help")
	do(0, ", verified ", "take", "first")
	if m := reported(t, environ); m.Name != "first" || !m.Verified() || m.Keys != 1 || m.Details != nil {
		t.Fatalf("%+v", m)
	}
	do(0, "Z: ", "take")
	do(0, "first: ", "verify", "first")
	do(0, "first ", "list")
	do(0, "would keep", "prune", "--dry-run")
	do(0, "newest verified", "prune")
	file := filepath.Join(t.TempDir(), "plain.rdb")
	do(0, "", "fetch", "first", file)
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "REDIS") {
		t.Fatalf("%.20q, %v", text, err)
	}
	do(1, "Invalid: ", "fetch", "first", file)
	do(0, "", "delete", "first")
	do(0, "", "delete", "first")
	do(1, "NotFound: ", "verify", "first")
	if m := reported(t, environ); m.Name != "first" || m.Reason != backup.NotFound || m.Error == "" {
		t.Fatalf("%+v", m)
	}
	do(1, "Invalid: ", "take", "../x")
	do(2, "usage", "take", "x", "y")
	do(2, "usage", "prune", "--all")
	do(2, "usage")
}

// A run that is told to end has not succeeded, whatever it was doing: a job is not done by that.
func TestABackupThatIsToldToEndFails(t *testing.T) {
	t.Parallel()
	_, environ := backedUp(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out log
	if code := run(ctx, []string{"backup", "take", "x"}, environ, &out, &out); code != 1 || !strings.Contains(out.String(), "Interrupted: ") {
		t.Fatalf("%d %s", code, out.String())
	}
	if m := reported(t, environ); m.Reason != backup.Interrupted {
		t.Fatalf("%+v", m)
	}
}

// Who lists the processes, or reads what is printed, learns no password.
func TestBackupsShowNoSecret(t *testing.T) {
	t.Parallel()
	rdb, environ := backedUp(t)
	dir := t.TempDir()
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatal(err)
	}
	spy, seen := filepath.Join(dir, "redis-cli"), filepath.Join(dir, "seen")
	if err := os.WriteFile(spy, []byte("#!/bin/sh\nps axww -o args >"+seen+"\nexec "+cli+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	environ = append(environ, "REDIS_CLI="+spy)
	code, out, errs := said(t, environ, "backup", "take", "x")
	if code != 0 {
		t.Fatal(out, errs)
	}
	processes, err := os.ReadFile(seen)
	if err != nil || !strings.Contains(string(processes), "--user reader") || strings.Contains(string(processes)+out+errs, "s3cret") {
		t.Fatalf("%v: %s%s%s", err, processes, out, errs)
	}
	if err := rdb.Do(t.Context(), "ACL", "SETUSER", "reader", "resetpass", ">another").Err(); err != nil {
		t.Fatal(err)
	}
	away := enginetest.FreeAddr(t)
	for name, more := range map[string][]string{
		"refused by Redis":   nil,
		"Redis is away":      {"REDIS_URL=redis://" + away + "/0"},
		"storage is away":    {"BACKUP_STORAGE=s3://bucket/x", "S3_ENDPOINT=http://" + away, "AWS_REGION=r", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=s3cret", "AWS_SESSION_TOKEN=s3cret"},
		"a wrong storage":    {"BACKUP_STORAGE=s3://user:s3cret@bucket/x"},
		"a wrong endpoint":   {"BACKUP_STORAGE=s3://bucket/x", "S3_ENDPOINT=user:s3cret@host"},
		"half of a password": {"AWS_SECRET_ACCESS_KEY=s3cret"},
	} {
		code, out, errs := said(t, append(environ, more...), "backup", "take", "y")
		if code == 0 || strings.Contains(out+errs, "s3cret") {
			t.Errorf("%s: %d %s%s", name, code, out, errs)
		}
	}
}
