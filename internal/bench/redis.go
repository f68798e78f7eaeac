package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisCosts: the memory that a message of 200 bytes takes in Redis, queued and then only kept, and what partitions cost while
// nothing happens.
func redisCosts(b *bench) error {
	if err := b.messageMemory(); err != nil {
		return err
	}
	few, err := b.idle(16)
	if err != nil {
		return err
	}
	many, err := b.idle(64)
	if err != nil {
		return err
	}
	b.add(figure{"Redis, idle, with 16 partitions", "", "", "", few.String()})
	b.add(figure{"and for each partition more", "", "", "", info{0, (many.commands - few.commands) / 48, (many.cpu - few.cpu) / 48}.String()})
	return nil
}

func (b *bench) messageMemory() error {
	s, api, token, err := b.serving()
	if err != nil {
		return err
	}
	text := `{"body":"` + strings.Repeat("0123456789", 20) + `"}`
	long := func(buf []byte, conn, n int) []byte {
		head := startPost(nil, token, int64((conn+n)%chats+1))
		head = []byte(strings.Replace(string(head), "Content-Length: "+strconv.Itoa(len(body)), "Content-Length: "+strconv.Itoa(len(text)), 1))
		return append(append(append(buf, head...), "\r\n"...), text...)
	}
	before, err := s.info(b.ctx)
	if err != nil {
		return err
	}
	l, err := drive(api.addr, 16, b.seconds, "202", long)
	if err != nil {
		return err
	}
	queued, err := s.info(b.ctx)
	if err != nil {
		return err
	}
	if _, err := b.start(s.env, "flusher"); err != nil {
		return err
	}
	pool, err := s.pool()
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	if err := b.stored(s, pool, l.requests-l.failed); err != nil {
		return err
	}
	<-time.After(2 * time.Second) // after a commit pending is cleaned
	kept, err := s.info(b.ctx)
	if err != nil {
		return err
	}
	var rows float64
	if _, err := pool.ExecContext(b.ctx, "ANALYZE TABLE messages"); err != nil {
		return err
	}
	if err := pool.QueryRowContext(b.ctx, "SELECT data_length + index_length FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'messages'").Scan(&rows); err != nil {
		return err
	}
	of := float64(l.requests - l.failed)
	b.add(figure{"Redis' memory for a message of 200 bytes", "", "", "", fmt.Sprintf("%.0f bytes queued, %.0f kept (%.0f messages)",
		(queued.memory-before.memory)/of, (kept.memory-before.memory)/of, of)})
	b.add(figure{"MySQL's disk for it", "", "", "", fmt.Sprintf("%.0f bytes", rows/of)})
	return nil
}

// idle gives what Redis does in a second for a pod and a flusher that have nothing to do.
func (b *bench) idle(partitions int) (info, error) {
	s, err := b.service(fmt.Sprintf("PARTITIONS=%d", partitions))
	if err != nil {
		return info{}, err
	}
	for _, command := range []string{"api", "flusher"} {
		if _, err := b.start(s.env, command); err != nil {
			return info{}, err
		}
	}
	<-time.After(5 * time.Second) // what a start does is done
	before, err := s.info(b.ctx)
	if err != nil {
		return info{}, err
	}
	const span = 20
	<-time.After(span * time.Second)
	after, err := s.info(b.ctx)
	return info{commands: (after.commands - before.commands) / span, cpu: (after.cpu - before.cpu) / span}, err
}

// info is what Redis says of itself: bytes, commands, seconds.
type info struct{ memory, commands, cpu float64 }

func (i info) String() string {
	return fmt.Sprintf("%.1f commands and %.3f ms of processor a second", i.commands, i.cpu*1e3)
}

func (s *service) client() (*redis.Client, error) {
	options, err := redis.ParseURL(s.redis)
	if err != nil {
		return nil, err
	}
	return redis.NewClient(options), nil
}

func (s *service) info(ctx context.Context) (info, error) {
	client, err := s.client()
	if err != nil {
		return info{}, err
	}
	defer func() { _ = client.Close() }()
	text, err := client.Info(ctx, "memory", "stats", "cpu").Result()
	if err != nil {
		return info{}, err
	}
	of := func(name string) float64 {
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
				n, _ := strconv.ParseFloat(value, 64)
				return n
			}
		}
		return 0
	}
	return info{of("used_memory"), of("total_commands_processed"), of("used_cpu_user") + of("used_cpu_sys")}, nil
}
