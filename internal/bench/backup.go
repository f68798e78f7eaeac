package main

import (
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

// full starts engines and a pod, queues a million messages, and gives how many; backups go into a folder of their own.
func (b *bench) full() (s *service, api *process, token string, sent int64, err error) {
	if s, api, token, err = b.serving("QUEUE_MAX_ENTRIES=50000000"); err != nil {
		return nil, nil, "", 0, err
	}
	folder, err := os.MkdirTemp(b.dir, "backups-")
	if err != nil {
		return nil, nil, "", 0, err
	}
	s.env = append(s.env, "BACKUP_STORAGE="+folder, "BACKUP_VERIFY=false")
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
	if err != nil {
		return nil, err
	}
	fmt.Printf("      µs of processor a request:%s\n", cost(l.requests))
	if took != nil {
		during, apart := l.around(backupAt.Seconds(), backupAt.Seconds()+(*took)[len(*took)-1])
		fmt.Printf("      while it was taken %.0f/s, before and after %.0f/s, of which the minute lost %.1f %%\n", during, apart, 100*(1-l.perSecond()/apart))
	}
	return l, nil
}

// around gives the rates of the seconds that a stretch touches, and of the others.
func (l *load) around(from, to float64) (inside, outside float64) {
	var in, out []int64
	for i, n := range l.seconds[:min(len(l.seconds), int(backupWindow.Seconds()))] { // not what was answered after the end
		if float64(i+1) > from && float64(i) < to {
			in = append(in, n)
		} else {
			out = append(out, n)
		}
	}
	return mean(in), mean(out)
}

func mean(xs []int64) float64 {
	var sum int64
	for _, x := range xs {
		sum += x
	}
	return float64(sum) / float64(len(xs))
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
	for _, method := range []string{"dump", "replication"} {
		took, err := b.toEnd(append(s.env, "BACKUP_METHOD="+method), "backup", "take", method)
		if err != nil {
			return err
		}
		verified, err := b.toEnd(s.env, "backup", "verify", method)
		if err != nil {
			return err
		}
		b.add(figure{"backup of 1M queued, " + method, "", "< 60 s", "", fmt.Sprintf("%.1f s, and its verification %.1f s", took, verified)})
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := client.FlushAll(b.ctx).Err(); err != nil {
		return err
	}
	if _, err := b.start(s.env, "flusher"); err != nil {
		return err
	}
	report := filepath.Join(b.dir, "restored.json")
	took, err := b.toEnd(append(s.env, "BACKUP_REPORT="+report), "restore", "replication")
	if err != nil {
		return err
	}
	var r flusher.Restored
	text, err := os.ReadFile(report) //nolint:gosec // a file of ours
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil {
		err = b.restored(s, r, sent)
	}
	b.add(figure{"restore of 1M queued", "", "< 180 s", "", fmt.Sprintf("%.1f s, %d stored, a partition closed for %.1f s at most", took, r.Stored, r.Closed.Seconds())})
	return err
}

// restored fails where the restore, or the tables, do not have all that was queued.
func (b *bench) restored(s *service, r flusher.Restored, messages int64) error {
	pool, err := s.pool()
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	var rows, ofChats, counted, letters int64
	err = pool.QueryRowContext(b.ctx, `SELECT (SELECT COUNT(*) FROM messages), (SELECT COUNT(*) FROM chats),
		(SELECT SUM(messages_count) FROM chats), (SELECT COUNT(*) FROM dead_letters)`).Scan(&rows, &ofChats, &counted, &letters)
	if err != nil {
		return err
	}
	if rows != messages || ofChats != chats || counted != messages || letters != 0 || r.Stored != messages+chats {
		return fmt.Errorf("%d messages in %d chats were queued; there are %d in %d, counted as %d, and %d dead letters; the restore says %+v",
			messages, chats, rows, ofChats, counted, letters, r)
	}
	return nil
}
