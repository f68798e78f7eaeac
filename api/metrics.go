package api

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	duration        *prometheus.HistogramVec
	connections     prometheus.Gauge
	turnedAway      prometheus.Counter
	limiterFailures prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chat_http_request_duration_seconds", Help: "Time from the request's arrival to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16),
		}, []string{"route", "method", "status"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_http_connections", Help: "Open client connections.",
		}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_http_connections_turned_away_total", Help: "Connections answered 503 because too many were open.",
		}),
		limiterFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_http_rate_limiter_failures_total", Help: "Requests that passed because the rate limiter did not answer.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.duration, m.connections, m.turnedAway, m.limiterFailures)
	}
	return m
}

// durations are the observers of one endpoint by status, looked up once.
type durations struct {
	vec           prometheus.ObserverVec
	route, method string
	byStatus      [600]atomic.Pointer[prometheus.Observer]
}

func (m *metrics) durations(route, method string) *durations {
	return &durations{vec: m.duration, route: route, method: method}
}

func (d *durations) observe(status int, took time.Duration) {
	o := d.byStatus[status].Load()
	if o == nil {
		made := d.vec.WithLabelValues(d.route, d.method, strconv.Itoa(status))
		o = &made
		d.byStatus[status].Store(o)
	}
	(*o).Observe(took.Seconds())
}
