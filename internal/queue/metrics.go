package queue

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	accepted       *prometheus.CounterVec
	replayed       prometheus.Counter
	refused        *prometheus.CounterVec
	batch          prometheus.Histogram
	acceptDuration prometheus.Histogram
	openings       *prometheus.CounterVec
	superseded     prometheus.Counter
	chats          prometheus.Counter
	messages       prometheus.Counter
	edits          prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_accepted_writes_total", Help: "Writes that were given a number and a queue entry.",
		}, []string{"kind"}),
		replayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_replayed_writes_total", Help: "Writes answered from an earlier one with the same Idempotency-Key.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_refused_writes_total", Help: "Writes that could not be accepted, by what was full or failed.",
		}, []string{"reason"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_accept_batch_writes", Help: "Writes of one pipeline to Redis.", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		acceptDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_accept_duration_seconds", Help: "Time of one pipeline to Redis.", Buckets: prometheus.ExponentialBuckets(0.00025, 2, 14),
		}),
		openings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_openings_total", Help: "Partitions opened on a Redis: new, kept everything, or lost what was not stored.",
		}, []string{"found"}),
		superseded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_redis_superseded_total", Help: "Writes turned away from a Redis that is not the master any more.",
		}),
	}
	for _, reason := range []string{"full", "failed", "waiting", "late", "redis", "closed"} {
		m.refused.WithLabelValues(reason)
	}
	for _, found := range []string{"new", "kept", "lost"} {
		m.openings.WithLabelValues(found)
	}
	m.chats, m.messages, m.edits = m.accepted.WithLabelValues("chat"), m.accepted.WithLabelValues("message"), m.accepted.WithLabelValues("edit")
	if reg != nil {
		reg.MustRegister(m.accepted, m.replayed, m.refused, m.batch, m.acceptDuration, m.openings, m.superseded)
	}
	return m
}

func (m *metrics) count(c *call) {
	switch {
	case c.reply.status == replyReplay:
		m.replayed.Inc()
	case c.reply.status != replyOK:
	case c.Kind == ChatCreated:
		m.chats.Inc()
	case c.Kind == MessageCreated:
		m.messages.Inc()
	case c.Kind == MessageEdited:
		m.edits.Inc()
	}
}
