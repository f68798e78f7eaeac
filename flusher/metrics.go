package flusher

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-system/internal/queue"
)

type metrics struct {
	entries  *prometheus.GaugeVec
	rows     *prometheus.CounterVec
	duration prometheus.Histogram
	batch    prometheus.Histogram
	lag      *prometheus.GaugeVec
	failures *prometheus.CounterVec
	cut      *prometheus.CounterVec
	dead     *prometheus.CounterVec
	broken   prometheus.Counter
	repaired *prometheus.CounterVec
	leader   *prometheus.GaugeVec

	documents      prometheus.Counter
	searchFailures prometheus.Counter
	resyncs        prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, shards int) *metrics {
	m := &metrics{
		entries: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chat_queue_stream_entries", Help: "Entries of a partition's stream, what is retained after its flush included.",
		}, []string{"partition"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_flush_rows_total", Help: "Entries brought into the database.",
		}, []string{"kind"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_flush_duration_seconds", Help: "Time of one flush transaction.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_flush_batch_entries", Help: "Entries of one flush transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 13),
		}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chat_flush_lag_seconds", Help: "How long the oldest entry of the last flush had waited.",
		}, []string{"partition"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_flush_failures_total", Help: "Flushes that failed and are tried again.",
		}, []string{"partition"}),
		cut: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_stream_cut_total", Help: "Times a stream was found cut behind the cursor: the partition stands still.",
		}, []string{"partition"}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_dead_letters_total", Help: "Writes that could not be stored and became dead letters.",
		}, []string{"sink"}),
		broken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_broken_promises_total", Help: "Rows refused because their number was stored already: must stay 0.",
		}),
		repaired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_counts_repaired_total", Help: "Counts that the recount found wrong and set right.",
		}, []string{"of"}),
		leader: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chat_shard_leader", Help: "1 where this process leads the shard.",
		}, []string{"shard"}),
	}
	for shard := range shards {
		m.leads(shard, false)
	}
	m.documents = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chat_search_documents_total", Help: "Messages brought into a search index.",
	})
	m.searchFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chat_search_failures_total", Help: "Steps of a search sink that failed and are tried again.",
	})
	m.resyncs = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chat_search_resyncs_total", Help: "Times a search sink had to be filled from the database.",
	})
	for _, kind := range []string{"chat", "message", "edit"} {
		m.rows.WithLabelValues(kind)
	}
	for _, sink := range []string{"mysql", "search"} {
		m.dead.WithLabelValues(sink)
	}
	for _, of := range []string{"messages", "chats"} {
		m.repaired.WithLabelValues(of)
	}
	if reg != nil {
		reg.MustRegister(m.entries, m.rows, m.duration, m.batch, m.lag, m.failures, m.cut, m.dead, m.broken, m.repaired, m.leader, m.documents, m.searchFailures, m.resyncs)
	}
	return m
}

func label(number int) string { return strconv.Itoa(number) }

func (m *metrics) depth(p int, entries int64) {
	m.entries.WithLabelValues(label(p)).Set(float64(entries))
}

func (m *metrics) leads(shard int, so bool) {
	v := 0.0
	if so {
		v = 1
	}
	m.leader.WithLabelValues(label(shard)).Set(v)
}

// left drops the depth of a partition that is led no more: its leader tells it.
func (m *metrics) left(p int) { m.entries.DeleteLabelValues(label(p)) }

func (m *metrics) failure(p int) { m.failures.WithLabelValues(label(p)).Inc() }

func (m *metrics) flushed(p int, es []queue.Entry, took time.Duration) {
	kinds := map[queue.Kind]int{}
	for i := range es {
		kinds[es[i].Kind]++
	}
	m.rows.WithLabelValues("chat").Add(float64(kinds[queue.ChatCreated]))
	m.rows.WithLabelValues("message").Add(float64(kinds[queue.MessageCreated]))
	m.rows.WithLabelValues("edit").Add(float64(kinds[queue.MessageEdited]))
	m.duration.Observe(took.Seconds())
	m.batch.Observe(float64(len(es)))
	m.lag.WithLabelValues(label(p)).Set(max(0, time.Since(time.UnixMilli(es[0].Version.Millis())).Seconds()))
}
