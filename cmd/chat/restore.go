package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"chat-system/flusher"
	"chat-system/internal/backup"
	"chat-system/internal/queue"
	"chat-system/internal/store"
	"chat-system/internal/telemetry"
)

const restoreHelp = `
  NAME            stores what the backup holds and MySQL lacks, beside pods and flushers that go on
  NAME --dry-run  only says what would be done

It may be run again, also after it was killed. It needs the program redis-server on this machine, which loads the backup,
and a flusher that runs. See docs/restore.md.`

// restored is what BACKUP_REPORT gets of a restore.
type restored struct {
	Name string `json:"name"`
	flusher.Restored
	Error  string        `json:"error,omitempty"`
	Reason backup.Reason `json:"reason,omitempty"`
}

// otherDatabase is the reason of a restore that was refused.
const otherDatabase backup.Reason = "OtherDatabase"

// restoreBackup replays a backup of Redis into the database.
func restoreBackup(ctx context.Context, e env) error {
	if len(e.args) < 1 || len(e.args) > 2 || (len(e.args) == 2 && e.args[1] != "--dry-run") {
		return errUsage
	}
	ctx, cancel := context.WithTimeout(ctx, e.BackupTimeout)
	defer cancel()
	r := restored{Name: e.args[0]}
	var err error
	if r.Restored, err = replay(ctx, e, r.Name, len(e.args) == 2); err != nil {
		r.Error, r.Reason = err.Error(), backup.ReasonOf(err)
		if errors.Is(err, flusher.ErrOtherDatabase) {
			r.Reason = otherDatabase
		}
		err = fmt.Errorf("%s: %v", r.Reason, err) //nolint:errorlint // a run that was told to end did not succeed: its cause must not be seen
	} else {
		r.print(e)
	}
	text, failed := json.Marshal(r)
	if failed == nil && e.BackupReport != "" {
		failed = os.WriteFile(e.BackupReport, text, 0o644) //nolint:gosec // it holds no secret, and the kubelet reads it
	}
	if failed != nil {
		e.log.Warn("the report can't be written", "file", e.BackupReport, "error", failed.Error())
	}
	return err
}

func (r *restored) print(e env) {
	would := ""
	if r.DryRun {
		would = "would be "
	}
	_, _ = fmt.Fprintf(e.out, "%s: %d writes are stored already, %d %sstored, %d %sgiven up for the same under another number, %d %sdead letters",
		r.Name, r.AlreadyStored, r.Stored, would, r.GivenUp, would, r.DeadLettered, would)
	if !r.DryRun {
		_, _ = fmt.Fprintf(e.out, "; %d times a partition was closed, for %v at most", r.Partitions, r.Closed.Round(time.Millisecond))
	}
	_, _ = fmt.Fprintln(e.out)
}

func replay(ctx context.Context, e env, name string, dryRun bool) (flusher.Restored, error) {
	s, err := backupStorage(e)
	if err != nil {
		return flusher.Restored{}, err
	}
	loaded, err := backup.Open(ctx, s, name, backup.Programs{Server: e.RedisServer, CLI: e.RedisCLI})
	if err != nil {
		return flusher.Restored{}, err
	}
	defer func() { _ = loaded.Close() }()
	en, err := openEngines(e, telemetry.NewRegistry(), flushPool, flushWaitTimeout)
	if err != nil {
		return flusher.Restored{}, err
	}
	defer en.close()
	if err := en.wait(ctx, e); err != nil {
		return flusher.Restored{}, err
	}
	ledger := store.Ledger{DB: en.db}
	q := queue.New(queue.Config{Partitions: e.Partitions, MaxEntries: e.QueueMaxEntries, Shebang: true, Log: e.log}, en.redis, ledger)
	f := flusher.New(flusher.Config{Partitions: e.Partitions, Log: e.log}, en.db, q, ledger)
	if en.index != nil {
		f.Search(elasticIndexes{en.index}, 0)
	}
	return f.Restore(ctx, loaded, dryRun)
}
