package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// Redis is lost with its disk under load, with writes that nobody had flushed; docs/restore.md, word for word, brings them
// back beside the pods that went on.
func TestTheRunbookBringsBackWhatRedisLost(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := newService(t, 2, 1)
	l := s.lossy()
	var chats []int64
	for i := range 3 {
		chats = append(chats, l.newChat(fmt.Sprintf("apart %d", i)))
	}
	l.more(between)
	until(t, "the chats are stored", func() bool { return int64(s.one("SELECT MAX(number) FROM chats")) >= chats[2] })

	s.flushers[0].signal(syscall.SIGSTOP)
	queued := map[string]int64{}
	for i := range 60 {
		body := fmt.Sprintf("queued %d", i)
		queued[body] = l.post(chats[i%3], body)
	}
	env := append([]string{"BACKUP_STORAGE=" + folder, "PATH=" + filepath.Dir(chatProgram(t)) + ":" + os.Getenv("PATH")}, s.env...)
	if out, err := run(t, env, "backup", "take"); err != nil {
		t.Fatal(out, err)
	}
	s.redis.Kill()
	if err := os.RemoveAll(filepath.Join(s.redis.Dir, "appendonlydir")); err != nil {
		t.Fatal(err)
	}
	s.redis.Start()
	s.flushers[0].signal(syscall.SIGCONT)
	l.more(between) // the numbers of what it lost are given anew

	script := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", block(t, "restore"))
	script.Env = append(os.Environ(), env...)
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	l.more(between)
	l.end()
	s.drained()

	for body, number := range queued {
		if n := s.one(fmt.Sprintf("SELECT COUNT(*) FROM messages WHERE body = '%s' AND number = %d", body, number)); n != 1 {
			t.Errorf("%q, message %d, is stored %d times", body, number, n)
		}
		if again := l.post(chats[chatOf(body)], body); again != number {
			t.Errorf("%q sent again is message %d, not %d", body, again, number)
		}
	}
	for q, want := range map[string]int{
		"SELECT COUNT(*) FROM dead_letters WHERE sink <> 'restore' AND state <> 'discarded'":   0,
		"SELECT COUNT(*) FROM (SELECT body FROM messages GROUP BY body HAVING COUNT(*) > 1) d": 0,
		"SELECT SUM(chats_count) - (SELECT COUNT(*) FROM chats) FROM applications":             0,
		`SELECT COUNT(*) FROM (SELECT MAX(number) AS top, COUNT(*) AS n FROM (
			SELECT application_id, chat_number, number FROM messages
			UNION ALL SELECT application_id, chat_number, number FROM dead_letters WHERE sink = 'mysql' AND kind = 'message'
		) given GROUP BY application_id, chat_number HAVING top <> n) gaps`: 0,
	} {
		if got := s.one(q); got != want {
			t.Errorf("%s: %d, want %d", q, got, want)
		}
	}
	if s.one("SELECT COUNT(*) FROM dead_letters WHERE sink = 'restore'") == 0 {
		t.Error("no number was given anew: the load did not go on")
	}
}

// chatOf is the place of the chat in which a body was queued.
func chatOf(body string) int64 {
	var i int64
	_, _ = fmt.Sscanf(body, "queued %d", &i)
	return i % 3
}

// block is a named block of docs/restore.md.
func block(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/restore.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```sh " + name + "\n(.*?)\n```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("docs/restore.md has no block %q", name)
	}
	return strings.TrimSpace(string(m[1]))
}
