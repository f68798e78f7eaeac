// Package localredis is the Redis of local mode: miniredis in this process, with what the scripts ask of a Redis and
// miniredis does not know. It keeps nothing over a restart.
package localredis

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// Server is an embedded Redis.
type Server struct {
	mini   *miniredis.Miniredis
	mu     sync.Mutex
	replid string

	ticking sync.WaitGroup
	stop    chan struct{}
}

// Start makes an empty Redis with an incarnation of its own.
func Start() (*Server, error) {
	s := &Server{mini: miniredis.NewMiniRedis(), stop: make(chan struct{})}
	s.Reincarnate()
	conn, err := s.mini.Dial() // makes the server, which is reached in-process alone
	if err != nil {
		return nil, err
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	s.ticking.Go(s.tick)
	s.mini.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		if cmd != "INFO" || len(args) != 1 || !strings.EqualFold(args[0], "replication") {
			return false
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		c.WriteBulk("# Replication\r\nrole:master\r\nmaster_replid:" + s.replid + "\r\n")
		return true
	})
	return s, nil
}

// Reincarnate gives the Redis another master_replid, as a restart or a promotion does.
func (s *Server) Reincarnate() {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replid = hex.EncodeToString(b[:])
}

// Empty drops everything, as FLUSHALL does.
func (s *Server) Empty() { s.mini.FlushAll() }

// Dial connects to it.
func (s *Server) Dial() (net.Conn, error) { return s.mini.Dial() }

// Close stops it.
func (s *Server) Close() {
	close(s.stop)
	s.ticking.Wait()
	s.mini.Close()
}

// tick lets time pass for what expires, each second: on each command, as miniredis itself would, every key is looked at.
func (s *Server) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case now := <-ticker.C:
			s.mini.FastForward(now.Sub(last))
			last = now
		case <-s.stop:
			return
		}
	}
}
