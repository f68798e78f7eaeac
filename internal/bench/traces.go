package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
)

// traced: POST, and the same flushed, to pods and flushers that send traces to a collector which takes all: with no request
// sampled and with every one, each against a pod and a flusher that know no collector.
func traced(b *bench) error {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // its process is the load generator's
	}))
	defer collector.Close()
	serve := func(env ...string) (func(flags string) func() (*load, error), error) {
		s, api, token, err := b.serving(append(env, "QUEUE_MAX_ENTRIES=50000000")...)
		if err != nil {
			return nil, err
		}
		flusher, err := b.start(append(env, s.env...), "flusher")
		if err != nil {
			return nil, err
		}
		s.pids["flusher"] = flusher.cmd.Process.Pid
		return func(flags string) func() (*load, error) { return b.side(api, s, 64, "202", parented(token, flags)) }, nil
	}
	without, err := serve()
	if err != nil {
		return err
	}
	with, err := serve("OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL)
	if err != nil {
		return err
	}
	for _, c := range []struct{ what, flags, atLeast, aim string }{{"none sampled", "00", "0.95", "1.00"}, {"all sampled", "01", "0.60", "0.80"}} {
		bases, all, err := b.turns(without(c.flags), with(c.flags))
		if err != nil {
			return err
		}
		rate, p99 := ratios(bases, all)
		b.add(figure{"POST message, 64 connections, traces, " + c.what, "no collector", c.atLeast, c.aim, fmt.Sprintf("%.2f, p99 %.1f×", rate, p99)})
	}
	return nil
}

// parented is post with a traceparent.
func parented(token, flags string) request {
	return func(buf []byte, conn, n int) []byte {
		buf = startPost(buf, token, int64((conn+n)%chats+1))
		buf = append(buf, "Traceparent: 00-"...)
		buf = append(buf, fmt.Sprintf("%016x%016x", conn+1, n+1)...)
		buf = append(buf, "-00000000000000aa-"...)
		return append(buf, flags+"\r\n\r\n"+body...)
	}
}
