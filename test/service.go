package test

import (
	"database/sql"
	"fmt"
	"testing"

	_ "github.com/go-sql-driver/mysql" // the checks read the tables themselves

	"chat-system/internal/enginetest"
)

// service is pods and flushers on engines of their own, or one process in local mode.
type service struct {
	t        *testing.T
	mysql    *enginetest.MySQLServer
	redis    *enginetest.RedisServer
	pool     *sql.DB // of the test itself
	env      []string
	pods     []*process
	flushers []*process
}

const partitions = 4

// newService starts engines, migrates, and runs that many pods and flushers.
func newService(t *testing.T, pods, flushers int, env ...string) *service {
	t.Helper()
	return newServiceOn(t, enginetest.MySQL(t), enginetest.Redis(t), pods, flushers, env...)
}

// newServiceOn runs them on given engines. Batches are small and frequent, so that faults strike inside transactions.
func newServiceOn(t *testing.T, m *enginetest.MySQLServer, r *enginetest.RedisServer, pods, flushers int, env ...string) *service {
	t.Helper()
	s := &service{t: t, mysql: m, redis: r}
	s.env = []string{"DATABASE_URL=" + m.DSN, "REDIS_URL=" + r.URL, "ELASTICSEARCH_URL=", fmt.Sprintf("PARTITIONS=%d", partitions), "FLUSH_MAX_WAIT=10ms"}
	s.env = append(s.env, env...)
	if _, err := run(t, s.env, "migrate"); err != nil {
		t.Fatal(err)
	}
	for range pods {
		s.addPod().start()
	}
	for range flushers {
		s.addFlusher().start()
	}
	for _, p := range s.pods {
		p.ready()
	}
	return s
}

// addPod prepares one more pod, with more in its environment.
func (s *service) addPod(env ...string) *process {
	p := newProcess(s.t, "api", append(append([]string(nil), s.env...), env...)...)
	s.pods = append(s.pods, p)
	return p
}

// addFlusher prepares one more flusher.
func (s *service) addFlusher() *process {
	p := newProcess(s.t, "flusher", s.env...)
	s.flushers = append(s.flushers, p)
	return p
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
