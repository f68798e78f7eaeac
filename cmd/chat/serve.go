package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chat-system/api"
	"chat-system/db"
	"chat-system/internal/telemetry"
)

const drainTime = 40 * time.Second // above what a request may take

// operations opens the port of metrics and health, where readiness fails as soon as the context ends. Close ends it.
func operations(ctx context.Context, e env, reg *prometheus.Registry, health *api.Health) (closeOps func(), err error) {
	health.Starting()
	reg.MustRegister(health.Collector())
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", e.MetricsAddr)
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDR: %w", err)
	}
	ops := api.NewOps(promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}), health, e.Debug)
	done := make(chan error, 1)
	go func() { done <- ops.Serve(ln) }()
	context.AfterFunc(ctx, health.Drain)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = ops.Close(ctx) // the process ends
		if err := <-done; err != nil {
			e.log.Error("the metrics port failed", "error", err)
		}
	}, nil
}

// serve answers HTTP on LISTEN_ADDR until the context ends, then what was accepted is answered.
func serve(ctx context.Context, e env, c api.Config, ready func(net.Addr)) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", e.ListenAddr)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	c.DrainDelay = e.DrainDelay
	server := api.New(c)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	ready(ln.Addr())
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	e.log.Info("draining")
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return errors.Join(server.Drain(drain), <-done)
}

// traces are where a server's spans go.
func traces(ctx context.Context, e env, service string, reg prometheus.Registerer) (*telemetry.Traces, error) {
	return telemetry.NewTraces(ctx, telemetry.TraceConfig{
		Service: service, Endpoint: e.Collector, Headers: e.CollectorHeaders, Sampler: e.Sampler, Ratio: e.SamplerRatio, Log: e.log, Metrics: reg,
	})
}

// waitFor tries until it succeeds, with a log line a second. What no waiting mends ends it.
func waitFor(ctx context.Context, e env, what string, try func(context.Context) error) error {
	for {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := try(short)
		cancel()
		if err == nil || errors.Is(err, db.ErrPartitions) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e.log.Warn("waiting", "for", what, "error", err)
		pause := time.NewTimer(time.Second)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
