package flusher

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

// sinkSearch stands for all search indexes in the metrics: their names are not bounded.
const sinkSearch = "search"

// The kinds of reasons of dead letters, as OpenDeadLetters has them.
const (
	whyDuplicate = "duplicate" // its number was stored already, which must not happen
	whyData      = "data"      // the database refuses the row for another fault of its data
	whyNoRow     = "no_row"    // an edit whose message is a dead letter itself
	whyRefused   = "refused"   // the search index refuses the document
	whyTaken     = "taken"     // it came out of a backup, and what had its place belongs to another write
)

// metrics of one sink each, or of the process. Histograms are classic ones: every scraper reads them, and what they
// measure has bounds that are known.
type metrics struct {
	rows     *prometheus.CounterVec
	duration *prometheus.HistogramVec
	batch    *prometheus.HistogramVec
	lag      *prometheus.HistogramVec
	failures *prometheus.CounterVec
	cuts     prometheus.Counter
	lettered *prometheus.CounterVec
	letters  *prometheus.GaugeVec
	broken   prometheus.Counter
	repaired *prometheus.CounterVec
	leader   *prometheus.GaugeVec
	entries  *prometheus.GaugeVec
	bound    prometheus.Gauge
	resyncs  prometheus.Counter
	used     prometheus.Gauge
	most     prometheus.Gauge
}

func newMetrics(f *Flusher) *metrics {
	m := &metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_flush_rows_total", Help: "Rows stored, and documents put into a search index.",
		}, []string{"sink", "kind"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chat_flush_duration_seconds", Help: "Time of one flush transaction, or of putting one batch into a search index, that of failed ones included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 17),
		}, []string{"sink"}),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chat_flush_batch_entries", Help: "Entries of one flush transaction, or documents of one batch for a search index, which takes them in one bulk request or several.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 16),
		}, []string{"sink"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chat_flush_lag_seconds", Help: "Time from the acceptance of a batch's oldest entry until the batch was flushed.",
			Buckets: prometheus.ExponentialBuckets(0.025, 2, 17),
		}, []string{"sink"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_flush_failures_total", Help: "Flushes that failed and are tried again.",
		}, []string{"sink"}),
		cuts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_queue_stream_cuts_total", Help: "Times a stream was found cut behind the cursor: its partition stands still.",
		}),
		lettered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_dead_lettered_writes_total", Help: "Writes that could not be stored and became dead letters.",
		}, []string{"sink", "reason"}),
		letters: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chat_dead_letters", Help: "Open dead letters, counted up to 10,000 altogether.",
		}, []string{"sink", "reason"}),
		broken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_broken_promises_total", Help: "Numbers and Idempotency-Keys that were to be stored twice: must stay 0.",
		}),
		repaired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_counts_repaired_total", Help: "Counts that the recount found wrong and set right.",
		}, []string{"of"}),
		leader: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chat_shard_leader", Help: "1 where this process leads the shard.",
		}, []string{"shard"}),
		entries: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chat_queue_stream_entries", Help: "Entries of a partition's stream, what is retained after its flush included.",
		}, []string{"partition"}),
		bound: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_queue_stream_max_entries", Help: "Entries that the stream of a partition may hold: above it writes to the partition get 503.",
		}),
		resyncs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_search_resyncs_total", Help: "Times a partition of a search index had to be filled from the database since its stream does not reach back; that of a new index is not counted.",
		}),
		used: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_redis_memory_used_bytes", Help: "Memory that Redis uses; of a Cluster, the master with the least room; 0 in local mode.",
		}),
		most: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_redis_memory_max_bytes", Help: "Memory that it may use; 0: no bound.",
		}),
	}
	for _, kind := range []string{"chat", "message", "edit"} {
		m.rows.WithLabelValues(db.SinkDatabase, kind)
	}
	for _, why := range []string{whyDuplicate, whyData, whyNoRow} {
		m.lettered.WithLabelValues(db.SinkDatabase, why)
	}
	m.rows.WithLabelValues(sinkSearch, "document")
	m.lettered.WithLabelValues(sinkSearch, whyRefused)
	for _, sink := range []string{db.SinkDatabase, sinkSearch} {
		m.duration.WithLabelValues(sink)
		m.batch.WithLabelValues(sink)
		m.lag.WithLabelValues(sink)
		m.failures.WithLabelValues(sink)
	}
	for _, of := range []string{"messages", "chats"} {
		m.repaired.WithLabelValues(of)
	}
	for shard := range f.Shards {
		m.leads(shard, false)
	}
	m.bound.Set(float64(f.queue.Share()))
	if reg := f.Metrics; reg != nil {
		reg.MustRegister(m.rows, m.duration, m.batch, m.lag, m.failures, m.cuts, m.lettered, m.letters, m.broken, m.repaired, m.leader,
			m.entries, m.bound, m.resyncs, m.used, m.most, depths{f})
	}
	return m
}

func label(number int) string { return strconv.Itoa(number) }

func (m *metrics) leads(shard int, so bool) {
	v := 0.0
	if so {
		v = 1
	}
	m.leader.WithLabelValues(label(shard)).Set(v)
}

// stored counts a transaction's rows.
func (m *metrics) stored(es []queue.Entry, dead []deadEntry) {
	rows := map[queue.Kind]int{}
	for i := range es {
		rows[es[i].Kind]++
	}
	for i := range dead {
		rows[dead[i].Kind]--
	}
	for kind, name := range kinds {
		m.rows.WithLabelValues(db.SinkDatabase, name).Add(float64(rows[kind]))
	}
}

// flushed tells of a batch of a sink; of one that failed, how long that took.
func (m *metrics) flushed(sink string, size int, took time.Duration, err error) {
	m.duration.WithLabelValues(sink).Observe(took.Seconds())
	if err == nil {
		m.batch.WithLabelValues(sink).Observe(float64(size))
	}
}

// lagged tells how long the oldest entry of a batch had waited.
func (m *metrics) lagged(sink string, waited time.Duration) {
	m.lag.WithLabelValues(sink).Observe(waited.Seconds())
}

// since is how long ago an entry was accepted; never less than nothing, though clocks differ.
func since(v chat.Version, now time.Time) time.Duration {
	return max(0, now.Sub(time.UnixMilli(v.Millis())))
}

// open shows how many dead letters are open.
func (m *metrics) open(rows []db.OpenDeadLettersRow) {
	type key struct{ sink, why string }
	counts := map[key]int64{
		{db.SinkDatabase, whyDuplicate}: 0, {db.SinkDatabase, whyData}: 0, {db.SinkDatabase, whyNoRow}: 0,
		{sinkSearch, whyRefused}: 0, {db.SinkRestore, whyTaken}: 0,
	}
	for _, r := range rows {
		switch r.Sink {
		case db.SinkDatabase:
			counts[key{r.Sink, r.Why}] += r.Letters
		case db.SinkRestore:
			counts[key{r.Sink, whyTaken}] += r.Letters
		default:
			counts[key{sinkSearch, whyRefused}] += r.Letters
		}
	}
	for k, n := range counts {
		m.letters.WithLabelValues(k.sink, k.why).Set(float64(n))
	}
}

var (
	depthEntries = prometheus.NewDesc("chat_queue_depth_entries", "Entries of the shard that are accepted and not yet stored, or not yet in search.",
		[]string{"sink", "shard"}, nil)
	oldestAge = prometheus.NewDesc("chat_queue_oldest_entry_age_seconds", "Age of the oldest such entry; 0: there is none.", []string{"sink", "shard"}, nil)
	cursorAt  = prometheus.NewDesc("chat_flush_cursor_timestamp_seconds", "When the entry was accepted at which the cursor lies; 0: nothing was flushed yet.",
		[]string{"sink", "partition"}, nil)
)

// depths shows how far each shard that this process leads is behind. The age is that of the moment of the scrape, so that it
// grows while nothing is flushed, whatever hangs.
type depths struct{ f *Flusher }

// Describe implements prometheus.Collector.
func (d depths) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{depthEntries, oldestAge, cursorAt} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (d depths) Collect(ch chan<- prometheus.Metric) {
	f := d.f
	d.sink(ch, db.SinkDatabase, func(p int) []*backlog { return []*backlog{f.workers[p].backlog} })
	if f.sinks != nil {
		d.sink(ch, sinkSearch, f.sinks.backlogs.toShow)
	}
}

// sink shows one sink; where it stands for several search indexes and it is not known which one is searched, the one that is furthest behind.
func (d depths) sink(ch chan<- prometheus.Metric, sink string, backlogs func(p int) []*backlog) {
	now := time.Now()
	for shard := range d.f.Shards {
		var entries int64
		var age time.Duration
		known := false
		for p := shard; p < d.f.Partitions; p += d.f.Shards {
			if !d.f.workers[p].leads.Load() {
				continue
			}
			var most int64
			cursor, placed := nothing, false
			for _, b := range backlogs(p) {
				if n, a, ok := b.behind(now); ok {
					most, age, known = max(most, n), max(age, a), true
				}
				if at, ok := b.position(); ok {
					cursor, placed = min(cursor, at), true
				}
			}
			entries += most
			if placed {
				ch <- prometheus.MustNewConstMetric(cursorAt, prometheus.GaugeValue, float64(cursor.Millis())/1000, sink, label(p))
			}
		}
		if known {
			ch <- prometheus.MustNewConstMetric(depthEntries, prometheus.GaugeValue, float64(entries), sink, label(shard))
			ch <- prometheus.MustNewConstMetric(oldestAge, prometheus.GaugeValue, age.Seconds(), sink, label(shard))
		}
	}
}
