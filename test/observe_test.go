package test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/enginetest"
	"chat-system/test/chart"
)

// Every alert of the chart is made to fire by its fault, and rests again when that is over; then every expression of the chart's
// dashboards is asked for and returns data. What is about backups is tested in test/chart, where there is a controller.
func TestAlertsFireAndDashboardsHaveData(t *testing.T) {
	t.Parallel()
	es := enginetest.Elasticsearch(t)
	s := newService(t, 1, 1, "ELASTICSEARCH_URL="+es.URL, "QUEUE_MAX_ENTRIES=4000", "FLUSHED_RETENTION=1s")
	w := chart.NewWatch(t, map[string][]string{"api": {s.pods[0].ops}, "flusher": {s.flushers[0].ops}}, "--set=backup.enabled=false")
	o := &observed{service: s, Watch: w, rdb: redis.NewClient(&redis.Options{Addr: s.redis.Addr, MaxRetries: -1})}
	t.Cleanup(func() { _ = o.rdb.Close() })
	l := s.newLoad(loadOptions{chats: 8, writers: 8, posts: true})
	defer o.reads(l)()
	l.more(between)
	o.rests()

	o.set("appendfsync", "everysec")
	o.fires("ChatRedisNotDurable")
	o.set("appendfsync", "always")
	o.rests()

	s.exec("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
	o.reconnect()
	o.fires("ChatMySQLNotDurable")
	s.exec("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
	o.reconnect()
	o.rests()

	o.set("maxmemory", strconv.FormatInt(o.used()*100/95, 10))
	o.fires("ChatRedisMemoryNearlyFull")
	o.set("maxmemory", "0")
	o.rests()

	stop := o.search(l)
	es.Pause()
	o.fires("ChatSearchLag", "ChatSearchesFailing")
	es.Resume()
	o.rests()
	stop()

	leave := o.crowd(s.pods[0].addr)
	o.fires("ChatConnectionsTurnedAway")
	leave()
	o.rests()

	s.mysql.Kill()
	o.fires("ChatOldestEntryTooOld", "ChatReadsFailing", "ChatQueueGrowing")
	o.fires("ChatQueueNearlyFull") // as full as it gets: writes are refused
	s.mysql.Start()
	o.rests()

	s.redis.Kill()
	o.fires("ChatWritesFailing")
	s.pods[0].unready() // in a cluster it is asked all the time
	o.fires("ChatDown")
	s.redis.Start()
	s.pods[0].ready()
	o.rests()

	s.flushers[0].kill()
	o.fires("ChatNoLeader")
	s.flushers[0].start()
	o.rests()

	s.pods[0].kill()
	o.fires("ChatDown")
	s.pods[0].start()
	s.pods[0].ready()
	o.rests()

	l.more(between)
	l.end()
	s.drained()
	o.cut(l)

	// a number is taken behind the service's back
	next := l.post(1, "the counter goes on from here") + 1
	s.drained()
	s.exec(fmt.Sprintf(`INSERT INTO messages (application_id, chat_number, number, version, body, created_at, updated_at)
		SELECT id, 1, %d, 1, 'here before', NOW(6), NOW(6) FROM applications WHERE token = '%s'`, next, l.token))
	l.post(1, "refused")
	o.fires("ChatBrokenPromise", "ChatDeadLetters")

	again := s.newLoad(loadOptions{name: "again", chats: 8, writers: 8})
	defer o.search(again)()
	var all []chart.Expression
	for _, e := range chart.Expressions(t) {
		if !strings.Contains(e.Expr, "chat_backup_") {
			all = append(all, e)
		}
	}
	o.Returns(all)
	if out, err := run(t, s.env, "dead-letters", "discard", "all"); err != nil {
		t.Fatal(out, err)
	}
	o.rests()
	for _, name := range o.Names() {
		if !o.fired[name] {
			t.Errorf("%s was not made to fire", name)
		}
	}
}

// observed is a service whose alerts are watched.
type observed struct {
	*service
	*chart.Watch
	rdb   *redis.Client
	fired map[string]bool
}

func (o *observed) fires(names ...string) {
	o.t.Helper()
	o.Fires(names...)
	if o.fired == nil {
		o.fired = map[string]bool{}
	}
	for _, name := range names {
		o.fired[name] = true
	}
}

func (o *observed) rests() { o.t.Helper(); o.Rests() }

// set changes a setting of Redis, which the pods learn of with their next connections.
func (o *observed) set(name, value string) {
	o.t.Helper()
	if err := o.rdb.ConfigSet(context.Background(), name, value).Err(); err != nil {
		o.t.Fatal(err)
	}
	o.reconnect()
}

// reconnect ends the connections to Redis, with which the pods learn of MySQL's settings, too.
func (o *observed) reconnect() {
	o.t.Helper()
	if err := o.rdb.Do(context.Background(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		o.t.Fatal(err)
	}
}

// used is the memory of Redis, in bytes.
func (o *observed) used() int64 {
	o.t.Helper()
	info, err := o.rdb.InfoMap(context.Background(), "memory").Result()
	if err != nil {
		o.t.Fatal(err)
	}
	n, err := strconv.ParseInt(info["Memory"]["used_memory"], 10, 64)
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

// reads asks for lists all the time, whatever is answered, until it is stopped.
func (o *observed) reads(l *load) (stop func()) {
	return repeat(func() { _, _, _ = l.send("GET", l.path(1), "", nil) })
}

// search likewise.
func (o *observed) search(l *load) (stop func()) {
	return repeat(func() { _, _, _ = l.send("GET", l.path(1)+"/search?q=writer", "", nil) })
}

// crowd opens as many connections as a pod takes, holds them until they leave, and knocks all the time.
func (o *observed) crowd(addr string) (leave func()) {
	o.t.Helper()
	var all []net.Conn
	for range int(o.pods[0].metric("chat_http_max_connections")) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			o.t.Fatal(err)
		}
		all = append(all, c)
	}
	stop := repeat(func() {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
		}
	})
	return func() {
		stop()
		for _, c := range all {
			_ = c.Close()
		}
	}
}

func repeat(f func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			f()
			<-tick.C
		}
	}()
	return func() { cancel(); <-done }
}

// cut takes what is flushed out of a stream, the cursor's entry with it, and mends that as the runbook says.
func (o *observed) cut(l *load) {
	t, ctx := o.t, context.Background()
	t.Helper()
	flusher := o.flushers[0]
	flusher.kill()
	const waiting = 6
	for i := range waiting {
		l.post(1, fmt.Sprintf("waits %d", i))
	}
	streams, err := o.rdb.Keys(ctx, "chat:{*}:stream").Result()
	if err != nil {
		t.Fatal(err)
	}
	var partition string
	for _, key := range streams {
		newest, err := o.rdb.XRevRangeN(ctx, key, "+", "-", 1).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(newest) == 1 && newest[0].Values["b"] == fmt.Sprintf("waits %d", waiting-1) {
			partition = strings.TrimSuffix(strings.TrimPrefix(key, "chat:{"), "}:stream")
			if err := o.rdb.XTrimMaxLen(ctx, key, waiting).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	flusher.start()
	o.fires("ChatFlushStandsStill")

	env := append([]string{"BACKUP_STORAGE=" + t.TempDir(), "BACKUP_METHOD=dump"}, o.env...)
	if out, err := run(t, env, "backup", "take"); err != nil {
		t.Fatal(out, err)
	}
	if err := o.rdb.Del(ctx, "chat:{"+partition+"}:open").Err(); err != nil {
		t.Fatal(err)
	}
	o.rests()
	list, err := run(t, env, "backup", "list")
	if err != nil {
		t.Fatal(list, err)
	}
	if out, err := run(t, env, "restore", strings.Fields(strings.Split(list, "\n")[1])[0]); err != nil {
		t.Fatal(out, err)
	}
	if n := o.one("SELECT COUNT(*) FROM messages WHERE body LIKE 'waits _'"); n != waiting {
		t.Errorf("%d of %d writes that waited are stored", n, waiting)
	}
}
