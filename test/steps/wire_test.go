//go:build failpoint

package steps

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// wire stands between a pod and an engine. It can lose the answer to a request, or cut the client off and deliver its
// request later.
type wire struct {
	upstream string
	listener net.Listener
	counts   func(request []byte) bool // whether a request can be the one that is armed for

	mu   sync.Mutex
	lose bool
	hold *held
}

// held is a request that is on its way while its sender has given it up.
type held struct{ arrived, deliver, delivered chan struct{} }

func newWire(t *testing.T, upstream string, counts func([]byte) bool) *wire {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{upstream: upstream, listener: l, counts: counts}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(client)
		}
	}()
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

// loseAnswer lets the next request through and breaks its connection in place of the answer.
func (w *wire) loseAnswer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = true
}

// holdRequest breaks the connection of the next request, which arrives when the test closes «deliver».
func (w *wire) holdRequest() *held {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = &held{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	return w.hold
}

func (w *wire) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose, w.hold = false, nil
}

func (w *wire) armed(request []byte) (lose bool, hold *held) {
	if !w.counts(request) {
		return false, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	lose, hold = w.lose, w.hold
	w.lose, w.hold = false, nil
	return lose, hold
}

func (w *wire) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := (&net.Dialer{}).Dial("tcp", w.upstream)
	if err != nil {
		return
	}
	losing := make(chan struct{})
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		defer func() { _ = client.Close() }()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			select {
			case <-losing:
				return
			default:
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 1<<20)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			_ = server.Close()
			<-answers
			return
		}
		lose, hold := w.armed(buffer[:n])
		if hold != nil {
			close(losing)
			_ = client.Close()
			close(hold.arrived)
			<-hold.deliver
		}
		if lose {
			close(losing)
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			_ = server.Close()
			return
		}
		if lose || hold != nil {
			<-answers // the request was done
			_ = server.Close()
			if hold != nil {
				close(hold.delivered)
			}
			return
		}
	}
}

// flushQuery tells the statements of a pod from what its driver says when it connects.
func flushQuery(request []byte) bool {
	return len(request) > 5 && request[3] == 0 && request[4] == 3 && !bytes.HasPrefix(request[5:], []byte("SET "))
}

// redisCommand leaves out what a flusher asks all the time: the depth of the streams.
func redisCommand(request []byte) bool { return !bytes.Contains(request, []byte("xlen")) }
