//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	ossignal "os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// A process that a test starts takes its steps from the environment, FAILPOINT=step=action@n with commas between several:
// the n-th time that it comes to the step, and every n-th from there on, it sends itself SIGKILL («kill») or SIGSTOP
// («stop»).
func init() {
	for one := range strings.SplitSeq(os.Getenv("FAILPOINT"), ",") {
		if one == "" {
			continue
		}
		if err := arm(one); err != nil {
			panic(fmt.Sprintf("FAILPOINT %q: %v", one, err))
		}
	}
}

var signals = map[string]syscall.Signal{"kill": syscall.SIGKILL, "stop": syscall.SIGSTOP}

func arm(one string) error {
	step, rest, _ := strings.Cut(one, "=")
	action, times, _ := strings.Cut(rest, "@")
	signal, ok := signals[action]
	every, err := strconv.ParseInt(times, 10, 64)
	if !ok || err != nil || every < 1 {
		return fmt.Errorf("it is step=kill@n or step=stop@n")
	}
	var hits atomic.Int64
	Set(nil, step, func() {
		if hits.Add(1)%every != 0 {
			return
		}
		woken := make(chan os.Signal, 1)
		ossignal.Notify(woken, syscall.SIGCONT)
		defer ossignal.Stop(woken)
		_ = syscall.Kill(os.Getpid(), signal) // it always may signal itself
		<-woken                               // the signal may reach another thread first: this one goes no step further
	})
	return nil
}
