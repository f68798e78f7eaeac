package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/api"
	controller "chat-system/backup-controller"
	"chat-system/backup-controller/v1alpha1"
	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/localredis"
	"chat-system/internal/queue"
	"chat-system/internal/search"
	"chat-system/internal/store"
	"chat-system/internal/telemetry"
)

// reporter is a program, or a command of chat, with the metrics that it has.
type reporter struct {
	name     string
	families prometheus.Gatherer
}

// reporters makes the registry of each as its command does (cmd/chat holds running ones against the document). Nothing is
// dialed, but for the flusher's engines, which are those of local mode: what a leader tells is there once it leads.
func reporters(ctx context.Context, dir string) (all []reporter, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d, err := db.Open(db.Config{DSN: "nobody@tcp(127.0.0.1:1)/nothing", Pool: 1})
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	redis, err := queue.Connect("redis://127.0.0.1:1", func() {})
	if err != nil {
		return nil, err
	}
	defer func() { _ = redis.Close() }()
	log := slog.New(slog.DiscardHandler)

	pod := telemetry.NewRegistry()
	q := queue.New(queue.Config{Partitions: 1, Log: log, Metrics: pod}, redis, store.Ledger{DB: d})
	st := store.New(d, q, nil, true)
	health := api.NewHealth(nil)
	pod.MustRegister(health.Collector(), d.Collector(), redis.Collector(), st.Collector())
	api.New(api.Config{Store: st, Log: log, Metrics: pod})

	file, err := db.OpenSQLite(ctx, filepath.Join(dir, "chat.db"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if err := file.Migrate(ctx, 1, log); err != nil {
		return nil, err
	}
	index, err := search.OpenLocal(filepath.Join(dir, "search"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = index.Close() }()
	server, err := localredis.Start()
	if err != nil {
		return nil, err
	}
	defer server.Close()
	embedded := queue.ConnectEmbedded(server.Dial)
	defer func() { _ = embedded.Close() }()

	leader := telemetry.NewRegistry()
	leader.MustRegister(health.Collector(), d.Collector(), redis.Collector())
	whole := telemetry.NewRegistry()
	whole.MustRegister(health.Collector(), file.Collector(), embedded.Collector())
	ledger := store.Ledger{DB: file}
	q = queue.New(queue.Config{Partitions: 1, Log: log, Metrics: whole}, embedded, ledger)
	st = store.New(file, q, index, false)
	whole.MustRegister(st.Collector())
	api.New(api.Config{Store: st, Log: log, Metrics: whole})
	queue.New(queue.Config{Partitions: 1, Log: log, Metrics: leader, Flushes: true}, embedded, ledger)
	for _, reg := range []*prometheus.Registry{leader, whole} {
		f := flusher.New(flusher.Config{Partitions: 1, MaxWait: time.Second, Log: log, Metrics: reg}, file, q, ledger)
		f.Search(oneIndex{index}, 1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.Run(ctx)
		}()
		defer func() {
			stop()
			<-done
		}()
		if err := leads(ctx, reg); err != nil {
			return nil, err
		}
	}

	for _, reg := range []*prometheus.Registry{pod, leader, whole} {
		if _, err := telemetry.NewTraces(ctx, telemetry.TraceConfig{Metrics: reg}); err != nil {
			return nil, err
		}
	}

	backups := prometheus.NewRegistry()
	backups.MustRegister(telemetry.NewBuildInfo(), controller.NewCollector(oneSchedule{}))
	for _, r := range []struct {
		name string
		prometheus.Gatherer
	}{{"api", pod}, {"flusher", leader}, {"local", whole}, {"backup-controller", backups}} {
		families, err := r.Gather()
		if err != nil {
			return nil, err
		}
		all = append(all, reporter{r.name, gathered(families)})
	}
	return all, nil
}

// leads waits until a flusher tells all that a leader tells, of both sinks.
func leads(ctx context.Context, reg *prometheus.Registry) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		n := 0
		for _, name := range []string{"chat_dead_letters", "chat_queue_stream_entries"} {
			if has, err := testutil.GatherAndCount(reg, name); err != nil {
				return err
			} else if has > 0 {
				n++
			}
		}
		for _, name := range []string{"chat_queue_depth_entries", "chat_flush_cursor_timestamp_seconds"} {
			if has, err := testutil.GatherAndCount(reg, name); err != nil {
				return err
			} else if has == 2 {
				n++
			}
		}
		if n == 4 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("the flusher does not tell all that a leader tells")
		}
	}
}

// oneIndex implements flusher.Indexes.
type oneIndex struct{ search.Index }

func (oneIndex) Current(context.Context) (string, error)      { return "index", nil }
func (oneIndex) Create(context.Context) error                 { return nil }
func (oneIndex) Exists(context.Context, string) (bool, error) { return true, nil }
func (i oneIndex) At(string) search.Index                     { return i }

// oneSchedule is a cache that knows one schedule, which has had backups.
type oneSchedule struct{ client.Reader }

// List implements client.Reader.
func (oneSchedule) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	all, ok := list.(*v1alpha1.RedisBackupScheduleList)
	if !ok {
		return errors.New("only schedules are known")
	}
	s := v1alpha1.RedisBackupSchedule{ObjectMeta: metav1.ObjectMeta{Name: "hourly"}}
	s.Spec.Schedule = "0 * * * *"
	s.Status.LastSuccess, s.Status.LastVerified = &v1alpha1.BackupResult{}, &metav1.Time{}
	all.Items = []v1alpha1.RedisBackupSchedule{s}
	return nil
}
