package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net"
	"strconv"
	"sync"
	"time"
)

// load is what a run of requests came to.
type load struct {
	requests int64
	failed   int64 // answers that were none of the wanted status
	took     time.Duration
	latency  histogram
	seconds  []int64 // wanted answers of each second
}

func (l *load) perSecond() float64 { return float64(l.requests-l.failed) / l.took.Seconds() }

// request writes the n-th request of a connection into buf; nothing ends the connection.
type request func(buf []byte, conn, n int) []byte

// drive keeps conns connections busy for a while: each sends its next request when the last was answered.
func drive(addr string, conns int, d time.Duration, status string, next request) (*load, error) {
	var wg sync.WaitGroup
	parts := make([]load, conns)
	errs := make([]error, conns)
	start := time.Now()
	end := start.Add(d)
	for i := range conns {
		wg.Go(func() { errs[i] = parts[i].connection(addr, i, start, end, status, next) })
	}
	wg.Wait()
	total := &load{took: time.Since(start)}
	for i := range parts {
		total.requests += parts[i].requests
		total.failed += parts[i].failed
		total.latency.add(&parts[i].latency)
		for second, n := range parts[i].seconds {
			total.count(second, n)
		}
	}
	return total, errors.Join(errs...)
}

// count adds to a second.
func (l *load) count(second int, n int64) {
	for len(l.seconds) <= second {
		l.seconds = append(l.seconds, 0)
	}
	l.seconds[second] += n
}

func (l *load) connection(addr string, id int, begin, end time.Time, status string, next request) error {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second) //nolint:noctx // bounded
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReaderSize(conn, 16<<10)
	var buf []byte
	for n := 0; ; n++ {
		start := time.Now()
		if start.After(end) {
			return nil
		}
		if buf = next(buf[:0], id, n); len(buf) == 0 {
			return nil
		}
		if _, err := conn.Write(buf); err != nil {
			return err
		}
		got, err := answer(in)
		if err != nil {
			return err
		}
		l.requests++
		now := time.Now()
		if got == status {
			l.count(int(now.Sub(begin)/time.Second), 1)
		} else {
			l.failed++
		}
		l.latency.record(now.Sub(start))
	}
}

// answer reads one answer and gives its status.
func answer(in *bufio.Reader) (string, error) {
	line, err := in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return "", fmt.Errorf("no status line %q: %w", line, err)
	}
	status := string(line[9:12])
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return "", err
			}
		}
	}
	_, err = io.CopyN(io.Discard, in, int64(length))
	return status, err
}

// histogram counts latencies in buckets of 1/16 of a power of two of microseconds: within 6 % of the truth.
type histogram struct{ counts [64 * 16]int64 }

func (h *histogram) record(d time.Duration) {
	h.counts[bucket(uint64(max(1, d.Microseconds())))]++
}

func bucket(us uint64) int {
	e := bits.Len64(us) - 1
	if e < 4 {
		return int(us) //nolint:gosec // < 16
	}
	return e*16 + int(us>>(e-4)&15)
}

func (h *histogram) add(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
}

func (h *histogram) p50() time.Duration { return h.quantile(0.50) }
func (h *histogram) p99() time.Duration { return h.quantile(0.99) }

// quantile gives the upper end of the bucket in which it lies.
func (h *histogram) quantile(q float64) time.Duration {
	var all int64
	for _, n := range h.counts {
		all += n
	}
	rank := int64(math.Ceil(q * float64(all)))
	for i, n := range h.counts {
		if rank -= n; rank <= 0 && n > 0 {
			if i < 16 {
				return time.Duration(i) * time.Microsecond
			}
			return time.Duration((uint64(i%16)+17)<<(i/16-4)) * time.Microsecond //nolint:gosec // positive
		}
	}
	return 0
}
