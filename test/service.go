package test

import (
	"database/sql"
	"testing"

	_ "github.com/go-sql-driver/mysql" // the checks read the tables themselves

	"chat-system/internal/enginetest"
)

// service is pods and flushers on engines of their own, or one process in local mode.
type service struct {
	t        *testing.T
	mysql    *enginetest.MySQLServer
	redis    *enginetest.RedisServer
	env      []string
	pods     []*process
	flushers []*process
}

// newService starts engines, migrates, and runs that many pods and flushers.
func newService(t *testing.T, pods, flushers int) *service {
	t.Helper()
	return newServiceWith(t, pods, flushers, "ELASTICSEARCH_URL=")
}

func newServiceWith(t *testing.T, pods, flushers int, env ...string) *service {
	t.Helper()
	s := &service{t: t, mysql: enginetest.MySQL(t), redis: enginetest.Redis(t)}
	s.env = []string{"DATABASE_URL=" + s.mysql.DSN, "REDIS_URL=" + s.redis.URL, "PARTITIONS=4"}
	s.env = append(s.env, env...)
	if _, err := run(t, s.env, "migrate"); err != nil {
		t.Fatal(err)
	}
	for range pods {
		s.pods = append(s.pods, newProcess(t, "api", s.env...))
	}
	for range flushers {
		s.flushers = append(s.flushers, newProcess(t, "flusher", s.env...))
	}
	for _, p := range append(append([]*process(nil), s.pods...), s.flushers...) {
		p.start()
	}
	for _, p := range s.pods {
		p.ready()
	}
	return s
}

func newLocal(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, pods: []*process{newProcess(t, "local", "DATA_DIR="+t.TempDir())}}
	s.pods[0].start()
	s.pods[0].ready()
	return s
}

func (s *service) addrs() []string {
	var as []string
	for _, p := range s.pods {
		as = append(as, p.addr)
	}
	return as
}

// database opens the tables for the checks.
func (s *service) database() *sql.DB {
	s.t.Helper()
	pool, err := sql.Open("mysql", s.mysql.DSN)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = pool.Close() })
	return pool
}
