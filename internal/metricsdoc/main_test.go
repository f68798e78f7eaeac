package main

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

func TestTheDocumentIsThatOfTheCode(t *testing.T) {
	t.Parallel()
	want, err := document(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../../docs/metrics.md"); err != nil || string(got) != string(want) {
		t.Errorf("docs/metrics.md is stale (%v): go generate ./internal/metricsdoc", err)
	}
}

// notZero are the metrics that have a value from the start.
var notZero = map[string]bool{
	"chat_build_info": true, "chat_queue_stream_max_entries": true, "chat_shard_leader": true, "chat_redis_durability": true, "chat_mysql_durability": true,
	"chat_database_pool_connections": true, "chat_database_pool_max_connections": true, "chat_redis_pool_connections": true,
	"chat_http_max_connections": true, "chat_backup_due_timestamp_seconds": true,
	"chat_backup_last_success_timestamp_seconds": true, "chat_backup_verified_timestamp_seconds": true, // of a schedule that had one
}

func TestEveryMetricFollowsTheConventionsAndBeginsAtZero(t *testing.T) {
	t.Parallel()
	all, err := reporters(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		problems, err := testutil.GatherAndLint(r.families)
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", r.name, problems, err)
		}
		families, err := r.families.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "chat_") || notZero[f.GetName()] {
				continue
			}
			for _, m := range f.GetMetric() {
				if v := value(f, m); v != 0 {
					t.Errorf("%s: %s %v is %v", r.name, f.GetName(), m.GetLabel(), v)
				}
			}
		}
	}
}

func value(f *dto.MetricFamily, m *dto.Metric) float64 {
	switch f.GetType() {
	case dto.MetricType_HISTOGRAM:
		return float64(m.GetHistogram().GetSampleCount())
	case dto.MetricType_COUNTER:
		return m.GetCounter().GetValue()
	default:
		return m.GetGauge().GetValue()
	}
}
