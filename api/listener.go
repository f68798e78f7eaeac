package api

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	lingerTime  = 2 * time.Second // that a closing connection waits for what the client still sends
	lingerBytes = 4 << 20
	maxFarewell = 64 // connections that are turned away at the same time
)

// listener bounds the open connections. fasthttp would do so too, but its answer is no problem document.
type listener struct {
	net.Listener
	server    *Server
	most      int64
	open      atomic.Int64
	farewells chan struct{}
}

func (s *Server) listener(ln net.Listener) *listener {
	return &listener{Listener: ln, server: s, most: int64(s.config.MaxConnections), farewells: make(chan struct{}, maxFarewell)}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		if l.server.stopped.Load() { // maybe before there was a listener that could be closed
			_ = l.Close()
		}
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Load() < l.most { // it grows here alone
			l.open.Add(1)
			l.server.metrics.connections.Inc()
			return &conn{Conn: c, done: l.leave}, nil
		}
		l.server.metrics.turnedAway.Inc()
		select {
		case l.farewells <- struct{}{}:
			go l.turnAway(&conn{Conn: c, done: func() { <-l.farewells }})
		default:
			_ = c.Close()
		}
	}
}

func (l *listener) leave() {
	l.server.metrics.connections.Dec() // before who takes the place counts itself
	l.open.Add(-1)
}

var errCrowded = &problem{kind: kindUnavailable, detail: "Too many connections are open. Nothing was done.", retry: retrySeconds}

// turnAway answers a connection that is one too many, whatever it was going to ask.
func (l *listener) turnAway(c *conn) {
	var r fasthttp.Response
	id := requestID(nil)
	r.Header.SetCanonical(keyRequestID, []byte(id))
	r.Header.SetCanonical(keyNosniff, valueNosniff)
	r.Header.SetCanonical(keyCacheControl, valueNoStore)
	r.Header.Set("Retry-After", decimal(errCrowded.retry))
	r.Header.SetContentType(problemType)
	r.SetStatusCode(errCrowded.status)
	r.SetConnectionClose()
	r.SetBody(errCrowded.render(id))
	_ = c.SetDeadline(time.Now().Add(lingerTime))
	_, _ = r.WriteTo(c) // it may be gone
	c.linger.Store(true)
	_ = c.Close()
}

// conn is a client's connection.
type conn struct {
	net.Conn
	linger atomic.Bool
	once   sync.Once
	done   func() // called when it is closed
}

// Close closes it; after an answer to a request that was not read to its end it takes in the rest first: a connection that
// is closed with unread data is reset, and the answer is lost with it.
func (c *conn) Close() (err error) {
	c.once.Do(func() {
		if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
			_ = c.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
		err = c.Conn.Close()
		c.done()
	})
	return err
}
