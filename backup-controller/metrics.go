package controller

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
)

// collector shows the schedules' status as metrics. It keeps nothing itself, so that a restart changes nothing, and every replica
// shows the same.
type collector struct {
	cache client.Reader
}

// NewCollector shows the schedules that a cache knows.
func NewCollector(cache client.Reader) prometheus.Collector { return &collector{cache} }

var (
	bySchedule = []string{"schedule"}

	lastSuccess  = prometheus.NewDesc("chat_backup_last_success_timestamp_seconds", "When the newest backup that succeeded ended.", bySchedule, nil)
	lastDuration = prometheus.NewDesc("chat_backup_last_duration_seconds", "How long the newest backup that succeeded took.", bySchedule, nil)
	lastSize     = prometheus.NewDesc("chat_backup_last_size_bytes", "Size of the newest backup that succeeded.", bySchedule, nil)
	failures     = prometheus.NewDesc("chat_backup_failures_total", "Backups that failed, since the schedule was made.", bySchedule, nil)
	due          = prometheus.NewDesc("chat_backup_due_timestamp_seconds", "When the backup was due that follows on the newest one that succeeded, or on the making of the schedule; of a schedule that is not suspended.", bySchedule, nil)
	verified     = prometheus.NewDesc("chat_backup_verified_timestamp_seconds", "When a backup was last loaded and compared.", bySchedule, nil)
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lastSuccess, lastDuration, lastSize, failures, due, verified} {
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
		from := s.CreationTimestamp.Time
		if ok := s.Status.LastSuccess; ok != nil {
			from = ok.Finished.Time
			ch <- prometheus.MustNewConstMetric(lastSuccess, prometheus.GaugeValue, float64(ok.Finished.Unix()), s.Name)
			ch <- prometheus.MustNewConstMetric(lastDuration, prometheus.GaugeValue, float64(ok.DurationSeconds), s.Name)
			ch <- prometheus.MustNewConstMetric(lastSize, prometheus.GaugeValue, float64(ok.Size), s.Name)
		}
		if !s.Spec.Suspend {
			if next := dueAfter(s, from); next != nil { // else there will be none: it is no schedule
				from = next.Time
			}
			ch <- prometheus.MustNewConstMetric(due, prometheus.GaugeValue, float64(from.Unix()), s.Name)
		}
		if at := s.Status.LastVerified; at != nil {
			ch <- prometheus.MustNewConstMetric(verified, prometheus.GaugeValue, float64(at.Unix()), s.Name)
		}
		ch <- prometheus.MustNewConstMetric(failures, prometheus.CounterValue, float64(s.Status.Failures), s.Name)
	}
}
