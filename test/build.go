package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var programDir string // "": not built

// program is built with failpoints, so that a test can name the step at which a process is killed or stops.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "chat-test-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "chat")
	out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", path, "chat-system/cmd/chat").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
})

func chatProgram(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
