package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"chat-system/internal/backup"
)

const backupHelp = `
  take [NAME]        takes one of the Redis at REDIS_URL and verifies it; the default name is the time, 20261126T010000Z
  list               all that BACKUP_STORAGE holds, the newest first
  verify NAME        loads it into a Redis of its own, checks it and records the result
  prune [--dry-run]  deletes what BACKUP_KEEP_... do not keep; --dry-run only says what would go, what stays, and why
  fetch NAME FILE    checks it and writes its RDB file, with which redis-server can be started; a Cluster's into a folder
  delete NAME        deletes it; gone already is fine

It needs the programs redis-server and redis-cli on this machine.`

// runBackup takes, shows, checks and deletes backups of Redis.
func runBackup(ctx context.Context, e env) error {
	if len(e.args) == 0 {
		return errUsage
	}
	ctx, cancel := context.WithTimeout(ctx, e.BackupTimeout)
	defer cancel()
	err := backupVerb(ctx, e, e.args[0], e.args[1:])
	if err != nil && !errors.Is(err, errUsage) {
		return fmt.Errorf("%s: %v", backup.ReasonOf(err), err) //nolint:errorlint // a run that was told to end did not succeed: its cause must not be seen
	}
	return err
}

func backupVerb(ctx context.Context, e env, verb string, args []string) error {
	switch {
	case verb == "take" && len(args) == 0:
		return takeBackup(ctx, e, backup.DefaultName(time.Now()))
	case verb == "take" && len(args) == 1:
		return takeBackup(ctx, e, args[0])
	case verb == "verify" && len(args) == 1:
		return report(e, args[0], func(c backup.Config) (backup.Manifest, error) { return backup.Verify(ctx, c, args[0]) })
	case verb == "list" && len(args) == 0:
		return listBackups(ctx, e)
	case verb == "prune" && len(args) == 0:
		return pruneBackups(ctx, e, false)
	case verb == "prune" && len(args) == 1 && args[0] == "--dry-run":
		return pruneBackups(ctx, e, true)
	case verb == "fetch" && len(args) == 2, verb == "delete" && len(args) == 1:
		s, err := backupStorage(e)
		if err != nil {
			return err
		}
		if verb == "delete" {
			return backup.Delete(ctx, s, args[0])
		}
		_, err = backup.Fetch(ctx, s, args[0], args[1])
		return err
	}
	return errUsage
}

func backupStorage(e env) (backup.Storage, error) {
	return backup.OpenStorage(e.BackupStorage, backup.S3{
		Endpoint: e.S3Endpoint, Region: e.S3Region, KeyID: e.S3KeyID, SecretKey: e.S3Secret, SessionToken: e.S3SessionToken,
	})
}

func takeBackup(ctx context.Context, e env, name string) error {
	return report(e, name, func(c backup.Config) (backup.Manifest, error) { return backup.Take(ctx, c, name) })
}

// report runs what gives a manifest, and tells people and BACKUP_REPORT how it ended.
func report(e env, name string, run func(backup.Config) (backup.Manifest, error)) error {
	m := backup.Manifest{Name: name, Location: e.BackupStorage}
	s, err := backupStorage(e)
	if err == nil {
		m, err = run(backup.Config{
			Storage: s, Redis: e.RedisURL, Method: backup.Method(e.BackupMethod), Verify: e.BackupVerify,
			Programs: backup.Programs{Server: e.RedisServer, CLI: e.RedisCLI}, Log: e.log,
		})
	}
	if err != nil {
		m.Error, m.Reason = err.Error(), backup.ReasonOf(err)
	} else {
		_, _ = fmt.Fprintf(e.out, "%s: %d bytes, %d entries in %d partitions, by %s, %s\n", m.Name, m.Size, m.Entries, m.Partitions, m.Method, verified(m))
	}
	if e.BackupReport == "" {
		return err
	}
	if failed := os.WriteFile(e.BackupReport, m.Report(), 0o644); failed != nil { //nolint:gosec // it holds no secret, and the kubelet reads it
		e.log.Warn("the report can't be written", "file", e.BackupReport, "error", failed.Error())
	}
	return err
}

func verified(m backup.Manifest) string {
	switch {
	case m.Error != "":
		return "failed: " + string(m.Reason)
	case m.VerifiedAt == nil:
		return "not verified"
	}
	return "verified " + shortTime(*m.VerifiedAt)
}

func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func listBackups(ctx context.Context, e env) error {
	s, err := backupStorage(e)
	if err != nil {
		return err
	}
	all, err := backup.List(ctx, s)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tTAKEN\tSIZE\tENTRIES\tVERIFIED")
	for _, m := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", m.Name, shortTime(m.StartedAt), m.Size, m.Entries, verified(m))
	}
	return w.Flush()
}

func pruneBackups(ctx context.Context, e env, dryRun bool) error {
	s, err := backupStorage(e)
	if err != nil {
		return err
	}
	policy := backup.Policy{Last: e.KeepLast, Hourly: e.KeepHourly, Daily: e.KeepDaily, Weekly: e.KeepWeekly}
	decisions, leftovers, err := backup.Prune(ctx, s, policy, time.Now(), dryRun)
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	what := map[bool]string{true: "keep", false: "delete"}
	if dryRun {
		what = map[bool]string{true: "would keep", false: "would delete"}
	}
	for _, d := range decisions {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", what[d.Keep], d.Name, d.Why)
	}
	for _, f := range leftovers {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", what[false], f.Name, "a killed run left it")
	}
	if e.BackupReport != "" && err == nil && !dryRun {
		if failed := os.WriteFile(e.BackupReport, pruneReport(decisions), 0o644); failed != nil { //nolint:gosec // it holds no secret, and the kubelet reads it
			e.log.Warn("the report can't be written", "file", e.BackupReport, "error", failed.Error())
		}
	}
	return errors.Join(err, w.Flush())
}

// pruneReport tells which backups are kept; those that do not fit into the 4096 bytes of a termination message are left out, and it says so.
func pruneReport(decisions []backup.Decision) []byte {
	r := struct {
		Kept          []string `json:"kept"`
		Deleted       int      `json:"deleted"`
		KeptTruncated bool     `json:"keptTruncated"`
	}{Kept: []string{}}
	for _, d := range decisions {
		if d.Keep {
			r.Kept = append(r.Kept, d.Name)
		} else {
			r.Deleted++
		}
	}
	for {
		text, err := json.Marshal(r)
		if err != nil || len(text) <= 4096 {
			return text
		}
		r.Kept, r.KeptTruncated = r.Kept[:len(r.Kept)-1], true
	}
}
