package api

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Check is what is known of one thing that the service needs.
type Check struct {
	Name   string
	Status CheckStatus
	Detail string // shown to everybody: nothing internal
}

// CheckStatus says how bad it is.
type CheckStatus string

// The statuses. Only Failed makes the service not ready.
const (
	OK      CheckStatus = "ok"
	Warning CheckStatus = "warning" // it serves, with less: durability is weakened, or search is away
	Failed  CheckStatus = "failed"
)

// Readiness looks at everything that the service needs. It must heed the context's deadline.
type Readiness interface {
	Check(ctx context.Context) []Check
}

const (
	readinessTimeout = 3 * time.Second
	readinessAge     = time.Second
)

// Health answers /healthz and /readyz, on both ports.
type Health struct {
	readiness Readiness
	starting  atomic.Bool
	draining  atomic.Bool
	ready     atomic.Bool // when it was asked last

	mu     sync.Mutex // held while looking: whoever asks meanwhile waits and shares the answer
	checks []Check
	at     time.Time
}

// NewHealth makes a Health; readiness nil: always ready.
func NewHealth(readiness Readiness) *Health { return &Health{readiness: readiness} }

// Starting makes the service not ready until Started: the operators' port may be open before it can serve.
func (h *Health) Starting() { h.starting.Store(true) }

// Started ends Starting. A Server calls it when it serves.
func (h *Health) Started() { h.starting.Store(false) }

// Drain makes the service not ready for good.
func (h *Health) Drain() { h.draining.Store(true) }

// Draining tells whether Drain was called.
func (h *Health) Draining() bool { return h.draining.Load() }

// Collector gives the metric of it.
func (h *Health) Collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chat_ready", Help: "Whether the process could serve when /readyz was asked last: 1 or 0; 0 before it was asked.",
	}, func() float64 {
		if h.ready.Load() {
			return 1
		}
		return 0
	})
}

// Ready looks, at most once a second whoever asks how often: /readyz is open to everybody.
func (h *Health) Ready() (checks []Check, ready bool) {
	checks, ready = h.look()
	h.ready.Store(ready)
	return checks, ready
}

func (h *Health) look() (checks []Check, ready bool) {
	if h.readiness != nil {
		h.mu.Lock()
		if time.Since(h.at) > readinessAge {
			ctx, cancel := context.WithTimeout(context.Background(), readinessTimeout)
			h.checks = h.readiness.Check(ctx)
			cancel()
			h.at = time.Now()
		}
		checks = h.checks
		h.mu.Unlock()
	}
	if h.starting.Load() {
		return append([]Check{{"starting", Failed, "The service is about to start."}}, checks...), false
	}
	if h.Draining() {
		return append([]Check{{"draining", Failed, "The service is about to stop."}}, checks...), false
	}
	for _, c := range checks {
		if c.Status == Failed {
			return checks, false
		}
	}
	return checks, true
}

const alive = `{"status":"ok"}`

// report renders what Ready found: 200 with the checks, or the problem.
func (h *Health) report() ([]byte, *problem) {
	checks, ready := h.Ready()
	if checks == nil {
		checks = []Check{}
	}
	if !ready {
		return nil, &problem{kind: kindNotReady, detail: "See checks for what failed.", checks: checks, retry: retrySeconds}
	}
	return append(appendArray([]byte(`{"status":"ok","checks":`), checks, appendCheck), '}'), nil
}

func appendCheck(b []byte, c *Check) []byte {
	b = append(b, `{"name":`...)
	b = appendString(b, c.Name)
	b = append(b, `,"status":`...)
	b = appendString(b, string(c.Status))
	b = append(b, `,"detail":`...)
	b = appendString(b, c.Detail)
	return append(b, '}')
}

func getAlive(x *exchange) error {
	x.send(200, jsonType, []byte(alive))
	return nil
}

func getReady(x *exchange) error {
	body, p := x.server.config.Health.report()
	if p != nil {
		return p
	}
	x.send(200, jsonType, body)
	return nil
}
