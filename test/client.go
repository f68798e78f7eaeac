package test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// client asks the pods as a client should: each request goes to some pod, and again until it is answered.
type client struct {
	t        *testing.T
	addrs    atomic.Pointer[[]string]
	http     http.Client
	admin    string                 // the administrator's token, where one is needed
	refused  atomic.Int64           // answers 503
	replayed atomic.Int64           // answers that repeat an earlier one
	lost     atomic.Int64           // those of them whose earlier one was lost on its way
	doubted  sync.Map               // keys of which an answer 503 left open whether something was done
	cut      atomic.Int64           // requests that got no answer
	refusal  atomic.Pointer[string] // the last answer 503
}

func newClient(t *testing.T, addrs []string, connections int) *client {
	c := &client{t: t}
	c.reach(addrs)
	c.http.Transport = &http.Transport{MaxIdleConnsPerHost: connections}
	c.http.Timeout = 10 * time.Second
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// reach turns it to these pods.
func (c *client) reach(addrs []string) { c.addrs.Store(&addrs) }

// some pod's address.
func (c *client) some() string {
	addrs := *c.addrs.Load()
	return addrs[rand.IntN(len(addrs))]
}

// insist sends a request until it is acknowledged.
func (c *client) insist(method, path, key string, body, answer any) {
	deadline := time.Now().Add(90 * time.Second)
	for {
		status, got, err := c.send(method, path, key, body)
		switch {
		case err == nil && status < 300:
			if err := json.Unmarshal(got, answer); err != nil {
				c.t.Errorf("%s %s: %v: %s", method, path, err, got)
			}
			return
		case err == nil && status != http.StatusServiceUnavailable && status != http.StatusConflict:
			c.t.Errorf("%s %s: %d %s", method, path, status, got)
			return
		case time.Now().After(deadline):
			c.t.Errorf("%s %s is not acknowledged within 90 s: %d %s %v", method, path, status, got, err)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// send sends a request once, to some pod.
func (c *client) send(method, path, key string, body any) (int, []byte, error) {
	return c.sendTo(c.some(), method, path, key, body)
}

func (c *client) sendTo(addr, method, path, key string, body any) (int, []byte, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, "http://"+addr+path, content)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.admin != "" {
		r.Header.Set("Authorization", "Bearer "+c.admin)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", `"`+key+`"`)
	}
	res, err := c.http.Do(r)
	if err != nil {
		c.cut.Add(1)
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if res.Header.Get("Idempotency-Replayed") == "true" {
		c.replayed.Add(1)
		if _, told := c.doubted.Load(key); !told {
			c.lost.Add(1)
		}
	}
	if res.StatusCode == http.StatusServiceUnavailable {
		text := string(got)
		c.refusal.Store(&text)
		c.refused.Add(1)
		if strings.Contains(text, "Idempotency-Key") {
			c.doubted.Store(key, true)
		}
		if res.Header.Get("Retry-After") == "" {
			c.t.Errorf("%s %s: 503 without Retry-After: %s", method, path, got)
		}
	}
	return res.StatusCode, got, err
}
