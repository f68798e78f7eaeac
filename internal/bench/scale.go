package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/queue"
	"chat-system/internal/store"
)

// scale: what more pods and more shards give on this machine, against one of them.
func scale(b *bench) error {
	if err := b.scalePods(); err != nil {
		return err
	}
	return b.scaleShards()
}

// scalePods: 256 connections, dealt to one, two and three API pods on the same engines.
func (b *bench) scalePods() error {
	s, first, token, err := b.serving("QUEUE_MAX_ENTRIES=50000000")
	if err != nil {
		return err
	}
	pods := []*process{first}
	for range 2 {
		p, err := b.start(append([]string{"QUEUE_MAX_ENTRIES=50000000"}, s.env...), "api")
		if err != nil {
			return err
		}
		pods = append(pods, p)
	}
	rates := make([][]float64, len(pods))
	for range b.rounds {
		for n := range rates {
			rate, err := b.postTo(pods[:n+1], token)
			if err != nil {
				return err
			}
			fmt.Printf("   %d API pods: %8.0f accepted/s\n", n+1, rate)
			rates[n] = append(rates[n], rate)
		}
	}
	one := median(rates[0])
	for n, of := range rates {
		b.add(figure{fmt.Sprintf("accepted/s with %d API pods", n+1), "one pod", "", "", fmt.Sprintf("%.0f, %.2f×", median(of), median(of)/one)})
	}
	return nil
}

// postTo posts to some pods at once.
func (b *bench) postTo(pods []*process, token string) (perSecond float64, err error) {
	rates, errs := make([]float64, len(pods)), make([]error, len(pods))
	var wg sync.WaitGroup
	for i, p := range pods {
		wg.Go(func() {
			l, err := drive(p.addr, 256/len(pods), b.seconds, "202", post(token, 0, false))
			if errs[i] = err; err == nil {
				rates[i] = l.perSecond()
			}
		})
	}
	wg.Wait()
	for _, r := range rates {
		perSecond += r
	}
	return perSecond, errors.Join(errs...)
}

// scaleShards: a full queue, flushed by one, two and four processes, each of which leads one of as many shards.
func (b *bench) scaleShards() error {
	s, api, token, err := b.serving("QUEUE_MAX_ENTRIES=50000000")
	if err != nil {
		return err
	}
	pool, err := s.pool()
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	counts := []int{1, 2, 4}
	rates := make([][]float64, len(counts))
	for range b.rounds {
		for i, shards := range counts {
			before, err := s.count(b.ctx, pool)
			if err != nil {
				return err
			}
			sent, err := b.fill(api, token, queued)
			if err != nil {
				return err
			}
			begin := time.Now()
			var all []*process
			for shard := range shards {
				p, err := b.startShard(s, shard, shards)
				if err != nil {
					return err
				}
				all = append(all, p)
			}
			if err := b.stored(s, pool, before+sent); err != nil {
				return err
			}
			rate := float64(sent) / time.Since(begin).Seconds()
			fmt.Printf("   %d shards: %8.0f flushed/s\n", shards, rate)
			rates[i] = append(rates[i], rate)
			for _, p := range all {
				p.stop()
			}
		}
	}
	one := median(rates[0])
	for i, of := range rates {
		b.add(figure{fmt.Sprintf("flushed/s with %d shards", counts[i]), "one shard", "", "", fmt.Sprintf("%.0f, %.2f×", median(of), median(of)/one)})
	}
	return nil
}

// startShard runs this program as the leader of one shard.
func (b *bench) startShard(s *service, shard, shards int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(b.ctx, self, "-lead", fmt.Sprintf("%d/%d", shard, shards))} //nolint:gosec // ours
	p.cmd.Env = append(os.Environ(), "BENCH_MYSQL="+s.mysql, "BENCH_REDIS="+s.redis)
	return p, b.spawn(p)
}

// only is an election in which one shard is won.
type only int

// Run implements flusher.Election.
func (o only) Run(ctx context.Context, lead func(context.Context, int)) { lead(ctx, int(o)) }

// lead flushes one of so many shards until it is told to end.
func lead(what string) error {
	var shard, shards int
	if _, err := fmt.Sscanf(what, "%d/%d", &shard, &shards); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	d, err := db.Open(db.Config{DSN: os.Getenv("BENCH_MYSQL"), Pool: 8, WaitTimeout: 5})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	client, err := queue.Connect(os.Getenv("BENCH_REDIS"), func() {})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ledger := store.Ledger{DB: d}
	const partitions = 16
	q := queue.New(queue.Config{Partitions: partitions, MaxEntries: 50_000_000, Shebang: true, Log: log}, client, ledger)
	flusher.New(flusher.Config{
		Partitions: partitions, ChatThreshold: 1000, MessageThreshold: 1000, MaxWait: 100 * time.Millisecond, Retention: time.Minute,
		Writers: 2, Shards: shards, Election: only(shard), Log: log,
	}, d, q, ledger).Run(ctx)
	return nil
}
