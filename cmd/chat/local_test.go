package main

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"chat-system/api/apitest"
)

// The whole contract, on local mode as a newcomer starts it.
func TestLocalModeKeepsTheContract(t *testing.T) {
	t.Parallel()
	apitest.Run(t, apitest.Target{URL: startLocal(t, t.TempDir()), Search: true})
}

// startLocal runs `chat local` on free ports until the test ends, and gives its base URL.
func startLocal(t *testing.T, dir string) string {
	t.Helper()
	out, in := io.Pipe()
	ctx, stop := context.WithCancel(context.Background()) //nolint:usetesting // the test's own context ends before its parallel subtests are cleaned up
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"local"}, []string{"DATA_DIR=" + dir, "LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0"}, in, testLog{t})
		_ = in.Close()
	}()
	t.Cleanup(func() {
		stop()
		go func() { _, _ = io.Copy(io.Discard, out) }()
		if c := <-code; c != 0 {
			t.Errorf("chat local ended with %d", c)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("chat local says nothing: %v", err)
	}
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	if url == "" {
		t.Fatalf("chat local says %q", line)
	}
	return url
}

// testLog shows what a command logs with the test.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}
