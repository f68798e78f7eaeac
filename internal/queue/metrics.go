package queue

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

type metrics struct {
	accepted       *prometheus.CounterVec
	refused        *prometheus.CounterVec
	batch          prometheus.Histogram
	acceptDuration prometheus.Histogram
	openings       *prometheus.CounterVec
	superseded     prometheus.Counter
	chats          prometheus.Counter
	messages       prometheus.Counter
	edits          prometheus.Counter
}

// newMetrics registers those of opening everywhere, those of accepting where writes are accepted.
func newMetrics(reg prometheus.Registerer, accepts bool) *metrics {
	m := &metrics{
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_accepted_writes_total", Help: "Writes that were given a number and a queue entry, on as many replicas as are wanted.",
		}, []string{"kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_refused_writes_total", Help: "Writes that were not acknowledged, by what was full or failed.",
		}, []string{"reason"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_accept_batch_writes", Help: "Writes of one pipeline to Redis.", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		acceptDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_accept_duration_seconds", Help: "Time of one pipeline to Redis.", Buckets: prometheus.ExponentialBuckets(0.00025, 2, 15),
		}),
		openings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_openings_total", Help: "Partitions opened on a Redis: one that is new, kept what was not stored, or lost some of it.",
		}, []string{"found"}),
		superseded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_redis_superseded_total", Help: "Openings refused since this Redis is not the master any more.",
		}),
	}
	for _, reason := range []string{"full", "failed", "waiting", "late", "redis", "quorum", "opening", "database", "closed"} {
		m.refused.WithLabelValues(reason)
	}
	for _, found := range []string{"new", "kept", "lost"} {
		m.openings.WithLabelValues(found)
	}
	m.chats, m.messages, m.edits = m.accepted.WithLabelValues("chat"), m.accepted.WithLabelValues("message"), m.accepted.WithLabelValues("edit")
	if reg != nil {
		reg.MustRegister(m.openings, m.superseded)
	}
	if reg != nil && accepts {
		reg.MustRegister(m.accepted, m.refused, m.batch, m.acceptDuration)
	}
	return m
}

func (m *metrics) count(c *call) {
	switch {
	case c.reply.status != replyOK:
	case c.Kind == ChatCreated:
		m.chats.Inc()
	case c.Kind == MessageCreated:
		m.messages.Inc()
	case c.Kind == MessageEdited:
		m.edits.Inc()
	}
}

var (
	poolConnections = prometheus.NewDesc("chat_redis_pool_connections", "Connections to Redis, by what they do.", []string{"state"}, nil)
	poolWaits       = prometheus.NewDesc("chat_redis_pool_waits_total", "Commands that waited for a free connection to Redis.", nil, nil)
	poolWaited      = prometheus.NewDesc("chat_redis_pool_wait_seconds_total", "Time that commands waited for a free connection to Redis.", nil, nil)
	poolTimeouts    = prometheus.NewDesc("chat_redis_pool_timeouts_total", "Commands that got no connection to Redis in time.", nil, nil)
	redisDurability = prometheus.NewDesc("chat_redis_durability",
		"1 at the mode in which Redis keeps what is acknowledged: always, or which writes a crash can lose.", []string{"mode"}, nil)
)

// Collector shows the pool, and the durability as it was found last; of an embedded Redis, whose writes are acknowledged
// once they are stored, only the pool. It asks Redis nothing.
func (c *Client) Collector() prometheus.Collector { return clientCollector{c} }

type clientCollector struct{ c *Client }

// Describe implements prometheus.Collector.
func (cc clientCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(cc, ch) }

// Collect implements prometheus.Collector.
func (cc clientCollector) Collect(ch chan<- prometheus.Metric) {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	now, asked := cc.c.mode.Load().(string)
	pools := []*redis.PoolStats{{}}
	if asked || !cc.c.Cluster() { // the client of a Cluster asks for its nodes first
		pools[0] = cc.c.rdb.PoolStats()
		if p := pools[0].PipelineStats; p != nil {
			pools = append(pools, (*redis.PoolStats)(p))
		}
	}
	var open, idle, waits, timeouts float64
	var waited time.Duration
	for _, s := range pools {
		open, idle, waits, timeouts = open+float64(s.TotalConns), idle+float64(s.IdleConns), waits+float64(s.WaitCount), timeouts+float64(s.Timeouts)
		waited += time.Duration(s.WaitDurationNs)
	}
	ch <- prometheus.MustNewConstMetric(poolConnections, gauge, idle, "idle")
	ch <- prometheus.MustNewConstMetric(poolConnections, gauge, max(0, open-idle), "in_use")
	ch <- prometheus.MustNewConstMetric(poolWaits, counter, waits)
	ch <- prometheus.MustNewConstMetric(poolWaited, counter, waited.Seconds())
	ch <- prometheus.MustNewConstMetric(poolTimeouts, counter, timeouts)
	if cc.c.embedded {
		return
	}
	for _, m := range modes {
		v := 0.0
		if m == now || (!asked && m == modeUnknown) {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(redisDurability, gauge, v, m)
	}
}
