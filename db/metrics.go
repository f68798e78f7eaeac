package db

import "github.com/prometheus/client_golang/prometheus"

// The modes of MySQL's durability.
const (
	modeUnknown = "unknown" // it can't be asked, or was not yet
	modeWeak    = "weak"    // a crash can lose commits, or it does not tell; the log and /readyz say why
	modeSynced  = "synced"  // a crash loses none
)

var (
	poolConnections = prometheus.NewDesc("chat_database_pool_connections", "Connections to the database, by what they do.", []string{"state"}, nil)
	poolMax         = prometheus.NewDesc("chat_database_pool_max_connections", "Connections to the database that may be open.", nil, nil)
	poolWaits       = prometheus.NewDesc("chat_database_pool_waits_total", "Statements that waited for a free connection to the database.", nil, nil)
	poolWaited      = prometheus.NewDesc("chat_database_pool_wait_seconds_total", "Time that statements waited for a free connection to the database.", nil, nil)
	mysqlDurability = prometheus.NewDesc("chat_mysql_durability",
		"1 at the mode in which MySQL keeps what is committed: synced, weak or unknown.", []string{"mode"}, nil)
)

// Collector shows the pool, and MySQL's durability as it was found last. It asks the database nothing.
func (d *DB) Collector() prometheus.Collector { return collector{d} }

type collector struct{ d *DB }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	s := c.d.pool.Stats()
	ch <- prometheus.MustNewConstMetric(poolConnections, gauge, float64(s.InUse), "in_use")
	ch <- prometheus.MustNewConstMetric(poolConnections, gauge, float64(s.Idle), "idle")
	ch <- prometheus.MustNewConstMetric(poolMax, gauge, float64(s.MaxOpenConnections))
	ch <- prometheus.MustNewConstMetric(poolWaits, counter, float64(s.WaitCount))
	ch <- prometheus.MustNewConstMetric(poolWaited, counter, s.WaitDuration.Seconds())
	if c.d.dialect == dialectSQLite {
		return
	}
	now, asked := c.d.mode.Load().(string)
	for _, m := range []string{modeUnknown, modeWeak, modeSynced} {
		v := 0.0
		if m == now || (!asked && m == modeUnknown) {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(mysqlDurability, gauge, v, m)
	}
}
