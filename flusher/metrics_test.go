package flusher_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/enginetest"
)

// measured starts a flusher, with search where there is an index, and gives its registry.
func (b *bundle) measured(i *indexes) *prometheus.Registry {
	b.t.Helper()
	registry := prometheus.NewRegistry()
	c := b.config
	c.Metrics = registry
	f := flusher.New(c, b.db, b.queue, b.ledger())
	if i != nil {
		f.Search(i, 1_000_000)
	}
	b.t.Cleanup(b.runFlusher(f))
	return registry
}

// values of the series of a registry, by name and labels.
func values(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	begun := time.Now()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("a scrape took %v", took)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName() + "{" + strings.Join(labels, ",") + "}"
			switch f.GetType() {
			case dto.MetricType_HISTOGRAM:
				all[name] = float64(m.GetHistogram().GetSampleCount())
			case dto.MetricType_COUNTER:
				all[name] = m.GetCounter().GetValue()
			default:
				all[name] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}

func depth(sink string) string {
	return fmt.Sprintf(`chat_queue_depth_entries{shard="0",sink=%q}`, sink)
}
func age(sink string) string {
	return fmt.Sprintf(`chat_queue_oldest_entry_age_seconds{shard="0",sink=%q}`, sink)
}

// What waits is counted, and its age grows, while a flush holds back; what is retained after its flush does not count.
func TestTheQueueTellsWhatWaits(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		app := b.app()
		c := b.chat(app)
		for range 20 {
			b.post(app, c, "a message")
		}
		b.flush()
		b.config.MaxWait = time.Hour
		r := b.measured(nil)
		b.until("nothing waits", func() bool {
			v := values(t, r)
			n, ok := v[depth("mysql")]
			return ok && n == 0 && v[age("mysql")] == 0
		})
		for range 3 {
			b.post(app, c, "a message")
		}
		b.until("three wait", func() bool { return values(t, r)[depth("mysql")] == 3 })
		before := values(t, r)[age("mysql")]
		b.until("their age grows", func() bool { return values(t, r)[age("mysql")] > before+1 })
		if n := values(t, r)[depth("mysql")]; n != 3 {
			t.Errorf("%v wait", n)
		}
	})
}

// An index that a reindexing fills does not say that search is behind: it is not searched yet.
func TestAnIndexThatIsNotSearchedYetIsNotShown(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		index, app, c := b.indexed()
		for range 20 {
			b.post(app, c, "a message")
		}
		b.flush()
		if err := flusher.AddSink(t.Context(), b.db, "being-filled", b.config.Partitions); err != nil {
			t.Fatal(err)
		}
		r := b.measured(index)
		b.until("one is searched", func() bool { return b.hits(index, app, c, "message") == 20 })
		b.until("the other one can't be filled", func() bool { return slices.Contains(b.searchTroubles(), errAway.Error()) })
		index.away.Store(true)
		for range 3 {
			b.post(app, c, "a message")
		}
		b.until("three wait for search", func() bool { return values(t, r)[depth("search")] == 3 })
		index.away.Store(false)
		b.until("none waits", func() bool { v := values(t, r); return v[depth("search")] == 0 && v[age("search")] == 0 })
	})
}

// What waits is known though the leader hangs in a transaction, and also to a leader that comes while MySQL is away.
func TestTheQueueTellsWhatWaitsWhileMySQLHangs(t *testing.T) {
	t.Parallel()
	mysql := enginetest.MySQL(t)
	b := onServers(t, mysql.DSN, enginetest.Redis(t).URL)
	app := b.app()
	c := b.chat(app)
	for range 50 {
		b.post(app, c, "a message")
	}
	r := b.measured(openIndex(t))
	b.drained()
	b.until("nothing waits", func() bool {
		v := values(t, r)
		n, ok := v[depth("search")]
		return ok && n == 0 && v[depth("mysql")] == 0 && v[age("mysql")] == 0 && v[age("search")] == 0
	})
	mysql.Pause()
	for range 7 {
		b.post(app, c, "a message")
	}
	later := b.measured(nil)
	for _, sink := range []string{"mysql", "search"} {
		b.until("seven wait", func() bool { return values(t, r)[depth(sink)] == 7 })
		before := values(t, r)[age(sink)]
		b.until("their age grows", func() bool { return values(t, r)[age(sink)] > before+1 })
	}
	b.until("a later leader sees that something waits", func() bool {
		v := values(t, later)
		return v[depth("mysql")] >= 7 && v[age("mysql")] > 0
	})
	mysql.Resume()
	b.drained()
	b.until("nothing waits any more", func() bool {
		v := values(t, r)
		return v[depth("mysql")] == 0 && v[depth("search")] == 0 && v[age("mysql")] == 0 && v[age("search")] == 0
	})
}

// hang lets every flush wait in its transaction for the lock of its cursor, until the function that it gives is called.
func (b *bundle) hang() (resume func()) {
	b.t.Helper()
	locked, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- b.db.WithTx(b.t.Context(), func(q *db.Queries) error {
			cursors, err := q.Cursors(b.t.Context(), db.SinkDatabase)
			if err != nil {
				return err
			}
			for _, c := range cursors {
				if _, err := q.LockCursor(b.t.Context(), db.LockCursorParams{PartitionID: c.PartitionID, Gen: c.Gen}); err != nil {
					return err
				}
			}
			close(locked)
			<-release
			return nil
		})
	}()
	select {
	case <-locked:
	case err := <-done:
		b.t.Fatal(err)
	}
	return func() {
		b.t.Helper()
		close(release)
		if err := <-done; err != nil {
			b.t.Fatal(err)
		}
	}
}

// A leader that begins with a backlog and hangs shows all that the stream holds; what waits alone, once it came through.
func TestTheQueueTellsWhatWaitsWhileItsLeaderHangs(t *testing.T) {
	t.Parallel()
	b := onServers(t, enginetest.SharedMySQL(t), enginetest.Redis(t).URL)
	app := b.app()
	c := b.chat(app)
	for range 40 {
		b.post(app, c, "a message")
	}
	b.flush()
	resume := b.hang()
	for range 30 {
		b.post(app, c, "a message")
	}
	r := b.measured(nil)
	b.until("its backlog is shown", func() bool { return values(t, r)[depth("mysql")] > 0 })
	before := values(t, r)
	if n := before[depth("mysql")]; n < 30 || n > 80 {
		t.Errorf("%v wait", n)
	}
	b.until("its age grows", func() bool { return values(t, r)[age("mysql")] > before[age("mysql")]+1 })
	resume()
	b.drained()
	b.until("nothing waits", func() bool { v := values(t, r); return v[depth("mysql")] == 0 && v[age("mysql")] == 0 })
	resume = b.hang()
	for range 3 {
		b.post(app, c, "a message")
	}
	b.until("three wait", func() bool { return values(t, r)[depth("mysql")] == 3 })
	resume()
	b.until("nothing waits any more", func() bool { return values(t, r)[depth("mysql")] == 0 })
}

// Every series is there from the start, and none is added by use; promtool's lint finds nothing.
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		index := openIndex(t)
		b.refuse()
		r := b.measured(index)
		b.until("it leads, and its sinks are known", func() bool {
			v := values(t, r)
			_, ok := v[depth("search")]
			_, letters := v[`chat_dead_letters{reason="data",sink="mysql"}`]
			return ok && letters
		})
		b.until("the index follows the stream", func() bool {
			cursors, err := b.db.Cursors(t.Context(), "index")
			return err == nil && !slices.ContainsFunc(cursors, func(c db.FlushCursor) bool { return c.State != db.StateFollow })
		})
		b.until("every partition is known", func() bool { // its cursor is read by a worker of its own
			cursors, err := testutil.GatherAndCount(r, "chat_flush_cursor_timestamp_seconds")
			streams, err2 := testutil.GatherAndCount(r, "chat_queue_stream_entries")
			return err == nil && err2 == nil && cursors == 2*partitions && streams == partitions
		})
		before := values(t, r)
		for name, v := range before {
			if v != 0 && !strings.HasPrefix(name, "chat_shard_leader") && !strings.HasPrefix(name, "chat_redis_memory") && !strings.HasPrefix(name, "chat_queue_stream_max") {
				t.Errorf("%s is %v at the start", name, v)
			}
		}
		app := b.app()
		c := b.chat(app)
		for _, body := range []string{"one", "poison", "three"} {
			b.post(app, c, body)
		}
		for n := range int64(3) {
			if _, err := b.store.EditMessage(t.Context(), app, c, n+1, "edited"); err != nil {
				t.Fatal(err)
			}
		}
		b.drained()
		b.until("it is found", func() bool { return b.hits(index, app, c, "edited") == 2 })
		b.until("all is told", func() bool { // the lag at the very end, once the cursor has moved
			v := values(t, r)
			return v[`chat_flush_rows_total{kind="document",sink="search"}`] >= 2 && v[`chat_flush_lag_seconds{sink="search"}`] > 0 &&
				v[`chat_flush_rows_total{kind="chat",sink="mysql"}`] >= 1 && v[`chat_flush_lag_seconds{sink="mysql"}`] > 0 &&
				v[`chat_flush_rows_total{kind="edit",sink="mysql"}`] >= 2 && v[`chat_dead_lettered_writes_total{reason="no_row",sink="mysql"}`] >= 1
		})
		after := values(t, r)
		if was, is := slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)); !slices.Equal(was, is) {
			t.Errorf("the series were %q, and are %q", was, is)
		}
		for name, want := range map[string]float64{
			`chat_flush_rows_total{kind="chat",sink="mysql"}`: 1, `chat_flush_rows_total{kind="message",sink="mysql"}`: 2,
			`chat_flush_rows_total{kind="edit",sink="mysql"}`:               2,
			`chat_dead_lettered_writes_total{reason="data",sink="mysql"}`:   1,
			`chat_dead_lettered_writes_total{reason="no_row",sink="mysql"}`: 1,
			`chat_broken_promises_total{}`:                                  0, `chat_flush_failures_total{sink="mysql"}`: 0,
		} {
			if got := after[name]; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		for _, sink := range []string{"mysql", "search"} {
			for _, name := range []string{"duration_seconds", "batch_entries", "lag_seconds"} {
				if name = fmt.Sprintf("chat_flush_%s{sink=%q}", name, sink); after[name] == 0 {
					t.Errorf("%s counts nothing", name)
				}
			}
		}
		if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
	})
}

// Open dead letters are shown by the kind of their reason, which their text tells, and counted as the writes are.
func TestOpenDeadLettersAreShownByReason(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bundle) {
		b.refuse()
		app := b.app()
		c := b.chat(app)
		row, err := b.db.ApplicationByToken(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		b.post(app, c, "one")
		now := time.Now().UTC().Truncate(time.Microsecond)
		if err := b.db.InsertMessage(t.Context(), db.InsertMessageParams{
			ApplicationID: row.ID, ChatNumber: c, Number: 4, Body: "it has the number already", Version: 1, CreatedAt: now, UpdatedAt: now,
		}); err != nil {
			t.Fatal(err)
		}
		first := b.measured(nil)
		for _, body := range []string{"poison", "poison", "four"} {
			b.post(app, c, body)
		}
		if _, err := b.store.EditMessage(t.Context(), app, c, 2, "an edit"); err != nil {
			t.Fatal(err)
		}
		b.drained()
		for _, letter := range []db.InsertDeadLetterParams{{Version: 1, Sink: db.SinkRestore}, {Version: 2, Sink: "an-index"}, {Version: 3, Sink: "another"}} {
			letter.Kind, letter.State, letter.Reason, letter.CreatedAt, letter.Payload = "message", flusher.StateOpen, "why", now, []byte("{}")
			if err := b.db.InsertDeadLetter(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			letter.Version, letter.State = letter.Version+10, flusher.StateDiscarded
			if err := b.db.InsertDeadLetter(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
		}
		r := b.measured(nil)
		want := map[string]float64{"duplicate mysql": 1, "data mysql": 2, "no_row mysql": 1, "taken restore": 1, "refused search": 2}
		var got map[string]float64
		defer func() {
			if t.Failed() {
				t.Logf("open dead letters: %v, want %v", got, want)
			}
		}()
		b.until("the dead letters are counted", func() bool {
			got = map[string]float64{}
			for name, v := range values(t, r) {
				if parts := strings.Split(name, `"`); strings.HasPrefix(name, "chat_dead_letters{") {
					got[parts[1]+" "+parts[3]] = v
				}
			}
			return maps.Equal(got, want)
		})
		for name, want := range want {
			if why, sink, _ := strings.Cut(name, " "); sink == "mysql" {
				counter := fmt.Sprintf(`chat_dead_lettered_writes_total{reason=%q,sink="mysql"}`, why)
				b.until(fmt.Sprintf("%s is %v", counter, want), func() bool { return values(t, first)[counter] == want }) // after the commit
			}
		}
	})
}
