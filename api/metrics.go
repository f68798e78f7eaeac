package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	duration        *prometheus.HistogramVec
	replayed        prometheus.Counter
	limited         prometheus.Counter
	limiterFailures prometheus.Counter
	connections     prometheus.Gauge
	turnedAway      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, maxConnections int) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chat_http_request_duration_seconds",
			Help: "Time from a request's arrival to its answer; HEAD counts as GET, what no route serves as other.",
			// Classic buckets, since every scraper reads them; few, since each is a line for every route and status.
			Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		replayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_http_replayed_requests_total", Help: "Requests answered as an earlier one with the same Idempotency-Key.",
		}),
		limited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_http_rate_limited_requests_total", Help: "Requests answered 429, since their client has used up its own.",
		}),
		limiterFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_http_rate_limiter_failures_total", Help: "Requests that passed because the rate limiter did not answer.",
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chat_http_connections", Help: "Open client connections.",
		}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_http_connections_turned_away_total", Help: "Connections answered 503, or closed at once, because too many were open.",
		}),
	}
	most := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "chat_http_max_connections", Help: "Client connections that may be open: those beyond are turned away.",
	})
	most.Set(float64(maxConnections))
	if reg != nil {
		reg.MustRegister(m.duration, m.replayed, m.limited, m.limiterFailures, m.connections, most, m.turnedAway)
	}
	return m
}

// classes of status codes that are answered.
var classes = [...]string{2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

// durations are the observers of a route and method, by class of status.
type durations [len(classes)]prometheus.Observer

// durations makes them, so that they are there before the first request.
func (m *metrics) durations(route, method string) *durations {
	d := &durations{}
	for i := 2; i < len(classes); i++ {
		d[i] = m.duration.WithLabelValues(route, method, classes[i])
	}
	return d
}

func (d *durations) observe(status int, took time.Duration) { d[status/100].Observe(took.Seconds()) }
