package controller

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
)

// collector shows the schedules' status as metrics. It keeps nothing itself, so that a restart changes nothing, and every replica
// shows the same.
type collector struct {
	cache client.Reader
}

func metric(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"schedule"}, nil)
}

var (
	lastSuccess  = metric("chat_backup_last_success_timestamp_seconds", "When the newest backup that succeeded ended.")
	lastDuration = metric("chat_backup_last_duration_seconds", "How long the newest backup that succeeded took.")
	lastSize     = metric("chat_backup_last_size_bytes", "Size of the newest backup that succeeded.")
	failures     = metric("chat_backup_failures_total", "Backups that failed, since the schedule was made.")
	verified     = metric("chat_backup_verified_timestamp_seconds", "When a backup was last loaded and compared.")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lastSuccess, lastDuration, lastSize, failures, verified} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Until the cache is filled there is nothing to show.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	all := &v1alpha1.RedisBackupScheduleList{}
	if c.cache.List(ctx, all) != nil {
		return
	}
	for i := range all.Items {
		s := &all.Items[i]
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Name)
		}
		stamp := func(d *prometheus.Desc, at *metav1.Time) {
			gauge(d, float64(at.Unix()))
		}
		if ok := s.Status.LastSuccess; ok != nil {
			stamp(lastSuccess, &ok.Finished)
			gauge(lastDuration, float64(ok.DurationSeconds))
			gauge(lastSize, float64(ok.Size))
		}
		if at := s.Status.LastVerified; at != nil {
			stamp(verified, at)
		}
		ch <- prometheus.MustNewConstMetric(failures, prometheus.CounterValue, float64(s.Status.Failures), s.Name)
	}
}
