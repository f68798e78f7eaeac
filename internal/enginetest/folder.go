package enginetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// cacheDir holds what is made once a machine: Elasticsearch and the empty MySQL data folders. install.sh knows it as well.
// Root has a place that other users can read, since Elasticsearch refuses to run as root.
func cacheDir() (string, error) {
	if os.Getuid() == 0 {
		return "/var/cache/chat-system", nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "chat-system"), err
}

// processDir holds the data folders of this process. A small shell outlives the process to remove it, as no code of ours
// runs when a process is killed.
var processDir = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "chat-engines-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // the user that Elasticsearch runs as passes through
		return "", err
	}
	// The pipe ends with this process; engines that are just dying may still write, hence the second try.
	reaper := exec.Command("sh", "-c", `cat; for i in 1 2 3 4 5 6 7 8 9; do rm -rf "$1" && exit; sleep 1; done`, "sh", dir)
	reaper.Dir = "/"
	reaper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if _, err := reaper.StdinPipe(); err != nil {
		return "", err
	}
	if err := reaper.Start(); err != nil {
		return "", err
	}
	go func() { _ = reaper.Wait() }() // keeps our end of the pipe from the garbage collector, which would close it
	return dir, nil
})

// newDir gives an engine a folder.
func newDir(name string) (string, error) {
	parent, err := processDir()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, name+"-")
}

// Ports come from below the range that the kernel gives to outgoing connections, so that an engine which is down for a
// while finds its port free again.
const firstPort, lastPort = 12000, 32000

var reservations struct {
	sync.Mutex
	held []net.PacketConn
}

// FreeAddr gives a local host:port on which a process that the test starts can listen, also after it was down for a while.
func FreeAddr(t TB) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// freePort gives a TCP port that nobody listens on. The UDP port of the same number, held as long as this process lives,
// keeps it from other test processes.
func freePort() (int, error) {
	reservations.Lock()
	defer reservations.Unlock()
	var last error
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		udp, err := net.ListenPacket("udp4", addr)
		if err != nil {
			last = err
			continue
		}
		tcp, err := net.Listen("tcp4", addr)
		if err != nil {
			last = err
			_ = udp.Close()
			continue
		}
		reservations.held = append(reservations.held, udp)
		return port, tcp.Close()
	}
	return 0, fmt.Errorf("no free port: %w", last)
}
