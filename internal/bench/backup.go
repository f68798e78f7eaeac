package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chat-system/flusher"
)

const (
	backupWindow = time.Minute      // of load, in which one backup is taken; -seconds does not change it
	backupAt     = 10 * time.Second // when it begins
	backupRounds = 3                // at most: a round takes four minutes
)

// backups: a backup of a million queued messages and its restore, while nothing else happens; then what a backup takes from
// those who post meanwhile, averaged over a minute.
func backups(b *bench) error {
	if err := b.backupAndRestore(); err != nil {
		return err
	}
	b.cleanup()
	defer func(rounds int) { b.rounds = rounds }(b.rounds)
	b.rounds = min(b.rounds, backupRounds)
	var took []float64
	bases, all, err := b.turns(
		func() (*load, error) { return b.minute(nil) },
		func() (*load, error) { return b.minute(&took) })
	if err != nil {
		return err
	}
	rate, p99 := ratios(bases, all)
	b.add(figure{"backup of 1M queued, replication, under load", "", "< 60 s", "", fmt.Sprintf("%.1f s, slowest %.1f s", median(took), slices.Max(took))})
	b.add(figure{"accepted/s over a minute with a backup, 256 connections", "a minute without", "0.85", "", fmt.Sprintf("%.2f, p99 %.1f×", rate, p99)})
	return nil
}

// full starts engines and a pod, and queues a million messages.
func (b *bench) full() (s *service, api *process, token string, sent int64, err error) {
	if s, api, token, err = b.serving("QUEUE_MAX_ENTRIES=50000000"); err != nil {
		return nil, nil, "", 0, err
	}
	dir, err := os.MkdirTemp(b.dir, "backups-")
	if err != nil {
		return nil, nil, "", 0, err
	}
	s.env = append(s.env, "BACKUP_STORAGE="+dir, "BACKUP_VERIFY=false", "BACKUP_REPORT="+filepath.Join(dir, "report"))
	sent, err = b.fillWith(api, million, varied(token))
	return s, api, token, sent, err
}

// minute posts for a minute to a service of its own, whose queue holds a million already; where took is given, a backup is
// taken meanwhile. Each begins anew since a Redis that was replicated once keeps a backlog from then on.
func (b *bench) minute(took *[]float64) (*load, error) {
	defer b.cleanup()
	s, api, token, _, err := b.full()
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	if took == nil {
		done <- nil
	} else {
		time.AfterFunc(backupAt, func() {
			seconds, err := b.toEnd(append(s.env, "BACKUP_METHOD=replication"), "backup", "take", "loaded")
			*took = append(*took, seconds)
			if err == nil && seconds > (backupWindow-backupAt).Seconds() {
				err = fmt.Errorf("the backup took %.0f s and did not end within the minute", seconds)
			}
			done <- err
		})
	}
	cost := costs(map[string]int{"server": api.cmd.Process.Pid, "mysql": s.pids["mysql"], "redis": s.pids["redis"]})
	l, err := drive(api.addr, 256, backupWindow, "202", varied(token))
	if failed := <-done; err == nil {
		err = failed
	}
	if err == nil {
		fmt.Printf("      µs of processor a request:%s\n", cost(l.requests))
	}
	return l, err
}

// toEnd runs a command of chat to its end and gives how many seconds it took.
func (b *bench) toEnd(env []string, args ...string) (float64, error) {
	cmd := exec.CommandContext(b.ctx, b.chat, args...) //nolint:gosec // ours
	cmd.Env = append(os.Environ(), append(env, "LOG_LEVEL=warn")...)
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(begin).Seconds()
	fmt.Printf("      chat %s, %.1f s: %s\n", strings.Join(args, " "), took, strings.TrimSpace(string(out)))
	return took, err
}

func (b *bench) backupAndRestore() error {
	s, _, _, sent, err := b.full()
	if err != nil {
		return err
	}
	took := map[string]float64{}
	verified := map[string]float64{}
	for _, method := range []string{"dump", "replication"} {
		if took[method], err = b.toEnd(append(s.env, "BACKUP_METHOD="+method), "backup", "take", method); err != nil {
			return err
		}
		if verified[method], err = b.toEnd(s.env, "backup", "verify", method); err != nil {
			return err
		}
		b.add(figure{"backup of 1M queued, " + method, "", "< 60 s", "", fmt.Sprintf("%.1f s, and %.1f s verification", took[method], verified[method])})
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := client.FlushAll(b.ctx).Err(); err != nil {
		return err
	}
	flushing, err := b.start(s.env, "flusher")
	if err != nil {
		return err
	}
	seconds, err := b.toEnd(s.env, "restore", "replication")
	if err != nil {
		return err
	}
	flushing.stop()
	r, err := s.restored(b, sent)
	if err != nil {
		return err
	}
	b.add(figure{"restore of 1M queued", "", "< 180 s", "", fmt.Sprintf("%.0f s, %d stored, a partition closed for %.1f s at most", seconds, r.Stored, r.Closed.Seconds())})
	return nil
}

// restored gives what the restore reported, and fails where it, or the tables, do not have all that was queued.
func (s *service) restored(b *bench, messages int64) (r flusher.Restored, err error) {
	i := slices.IndexFunc(s.env, func(kv string) bool { return strings.HasPrefix(kv, "BACKUP_REPORT=") })
	text, err := os.ReadFile(strings.TrimPrefix(s.env[i], "BACKUP_REPORT="))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, err
	}
	pool, err := s.pool()
	if err != nil {
		return r, err
	}
	defer func() { _ = pool.Close() }()
	var rows, ofChats, distinct, letters sql.NullInt64
	err = pool.QueryRowContext(b.ctx, `SELECT (SELECT COUNT(*) FROM messages), (SELECT COUNT(*) FROM chats), (SELECT SUM(messages_count) FROM chats),
		(SELECT COUNT(*) FROM dead_letters)`).Scan(&rows, &ofChats, &distinct, &letters)
	if err != nil {
		return r, err
	}
	if rows.Int64 != messages || ofChats.Int64 != chats || distinct.Int64 != messages || letters.Int64 != 0 || r.Stored != messages+chats {
		return r, fmt.Errorf("%d messages in %d chats were queued; there are %d in %d, counted as %d, and %d dead letters; the restore says %+v",
			messages, chats, rows.Int64, ofChats.Int64, distinct.Int64, letters.Int64, r)
	}
	return r, nil
}
