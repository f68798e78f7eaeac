package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const (
	traceLogPause = time.Minute     // between two log lines about a collector that fails
	traceStopTime = 5 * time.Second // for what is left when the process ends
	traceErrorMax = 500             // bytes of a collector's answer that are logged
)

// TraceConfig says where spans go.
type TraceConfig struct {
	Service  string            // name of this process' kind
	Endpoint string            // of the collector, to which /v1/traces is added; empty: there are no traces
	Headers  map[string]string // that it wants; they are secret
	Sampler  string            // as OTEL_TRACES_SAMPLER names it
	Ratio    float64           // its argument
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Traces sends spans to a collector, in the background and in batches. A collector that is away, or hangs, costs spans
// alone: so many wait, and what comes while they do is dropped and counted.
type Traces struct {
	// Requests decides by the sampler which requests are traced; nil: none.
	Requests trace.Tracer
	// Sampled records all that it begins. It is for what follows on a span that is sampled, also where that began in
	// another process; nil: there are no traces.
	Sampled trace.Tracer

	log       *slog.Logger
	processor sdk.SpanProcessor
}

// NewTraces begins. The metrics are registered without a collector too.
func NewTraces(ctx context.Context, c TraceConfig) (*Traces, error) {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_trace_spans_total",
		Help: "Spans of traces: sent; dropped, since too many waited; failed, since the collector did not take them.",
	}, []string{"result"})
	x := &exporter{
		log: c.Log, secrets: secrets(c.Headers),
		sent: spans.WithLabelValues("sent"), dropped: spans.WithLabelValues("dropped"), failed: spans.WithLabelValues("failed"),
	}
	c.Metrics.MustRegister(spans)
	t := &Traces{log: c.Log}
	if c.Endpoint == "" {
		return t, nil
	}
	otel.SetLogger(logr.Discard()) // it would print variables that it does not understand, the secret ones too
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { x.say(err, 0) }))
	var options []otlptracehttp.Option
	if os.Getenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS") == "" { // which wins
		options = append(options, otlptracehttp.WithHeaders(c.Headers))
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" { // likewise, and is the whole address
		options = append(options, otlptracehttp.WithEndpointURL(strings.TrimSuffix(c.Endpoint, "/")+"/v1/traces"))
	}
	var err error
	if x.SpanExporter, err = otlptracehttp.New(ctx, options...); err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	res, err := resource.New(ctx, // what the environment says wins
		resource.WithAttributes(semconv.ServiceName(c.Service), semconv.ServiceVersion(Version)), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	x.most = sdk.DefaultMaxQueueSize
	if n, err := strconv.Atoi(os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE")); err == nil && n > 0 {
		x.most = int64(n)
	}
	t.processor = &queue{sdk.NewBatchSpanProcessor(x, sdk.WithMaxQueueSize(int(x.most))), x}
	tracer := func(s sdk.Sampler) trace.Tracer {
		return sdk.NewTracerProvider(sdk.WithSpanProcessor(t.processor), sdk.WithResource(res), sdk.WithSampler(s)).Tracer("chat-system")
	}
	t.Requests, t.Sampled = tracer(sampler(c.Sampler, c.Ratio)), tracer(sdk.AlwaysSample())
	return t, nil
}

// sampler by the names of OTEL_TRACES_SAMPLER.
func sampler(name string, ratio float64) sdk.Sampler {
	kind, parentBased := strings.CutPrefix(name, "parentbased_")
	var s sdk.Sampler
	switch kind {
	case "always_off":
		s = sdk.NeverSample()
	case "traceidratio":
		s = sdk.TraceIDRatioBased(ratio)
	default:
		s = sdk.AlwaysSample()
	}
	if parentBased {
		return sdk.ParentBased(s)
	}
	return s
}

// Stop sends what is left, within 5 s.
func (t *Traces) Stop() {
	if t.processor == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), traceStopTime)
	defer cancel()
	if err := t.processor.Shutdown(ctx); err != nil {
		t.log.Warn("the last traces are lost", "error", err)
	}
}

// queue bounds the spans that wait or are being sent. The processor behind it holds as many, so that none is lost there
// without being counted.
type queue struct {
	sdk.SpanProcessor
	exporter *exporter
}

// OnEnd implements sdk.SpanProcessor.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.exporter.waiting.Add(1) > q.exporter.most {
		q.exporter.waiting.Add(-1)
		q.exporter.dropped.Inc()
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// exporter counts what becomes of the spans, and says seldom that the collector fails.
type exporter struct {
	sdk.SpanExporter
	log                   *slog.Logger
	secrets               *strings.Replacer
	sent, dropped, failed prometheus.Counter
	most                  int64 // spans that may wait
	waiting               atomic.Int64

	mu   sync.Mutex
	said time.Time
}

// ExportSpans implements sdk.SpanExporter. What fails is handled here.
func (x *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := x.SpanExporter.ExportSpans(ctx, spans)
	x.waiting.Add(-int64(len(spans)))
	if err == nil {
		x.sent.Add(float64(len(spans)))
		return nil
	}
	x.say(err, len(spans))
	x.failed.Add(float64(len(spans)))
	return nil
}

// say logs an error, if none was logged of late.
func (x *exporter) say(err error, spans int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if time.Since(x.said) < traceLogPause {
		return
	}
	x.said = time.Now()
	text := x.secrets.Replace(err.Error())
	x.log.Warn("traces are lost; this is said once a minute at most", "spans", spans, "error", text[:min(len(text), traceErrorMax)])
}

// secrets replaces the values of header fields, however a collector's answer or the library may have come by them.
func secrets(headers map[string]string) *strings.Replacer {
	var pairs []string
	add := func(value string) {
		if value = strings.TrimSpace(value); value != "" {
			pairs = append(pairs, value, "***")
		}
	}
	for _, v := range headers {
		add(v)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} { // which the library reads itself
		add(os.Getenv(name))
		for field := range strings.SplitSeq(os.Getenv(name), ",") {
			_, v, _ := strings.Cut(field, "=")
			add(v)
		}
	}
	return strings.NewReplacer(pairs...)
}
