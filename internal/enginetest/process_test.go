package enginetest_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"chat-system/internal/enginetest"
)

const childVariable = "ENGINETEST_CHILD"

// TestEnginesDieWithTheirProcess kills a test process, which is this one run again, and looks for what it leaves.
func TestEnginesDieWithTheirProcess(t *testing.T) {
	t.Parallel()
	enginetest.NeedEngines(t)
	if os.Getenv(childVariable) != "" {
		r := enginetest.Redis(t)
		fmt.Printf("child %d %s\n", r.Pid(), r.Dir)
		_, _ = io.Copy(io.Discard, os.Stdin) // until killed
		return
	}
	if runtime.GOOS != "linux" {
		return // elsewhere nothing promises this
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), childVariable+"=1")
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	lines := bufio.NewScanner(out)
	for pid == 0 && lines.Scan() {
		if _, line, ok := strings.Cut(lines.Text(), "child "); ok {
			if _, err := fmt.Sscan(line, &pid, &dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	if pid == 0 {
		t.Fatal("the child started no Redis")
	}
	eventually(t, "Redis is dead", func() bool { return dead(pid) })
	eventually(t, "its folder is removed", func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })
}

// dead also counts a process that nobody has waited for yet.
func dead(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so within 20 s: %s", what)
		}
	}
}
