package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"chat-system/api/apitest"
	"chat-system/internal/enginetest"
)

// The metrics of running commands are those that docs/metrics.md tells of; all series are there before the first request,
// with none added by use; and promtool's lint finds nothing.
func TestTheMetricsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	environ := []string{
		"DATABASE_URL=" + enginetest.SharedMySQL(t), "REDIS_URL=" + enginetest.Redis(t).URL, "ELASTICSEARCH_URL=",
		"LISTEN_ADDR=127.0.0.1:0", "LOG_FORMAT=text", "PARTITIONS=4",
	}
	if code := run(t.Context(), []string{"migrate"}, append(environ, "METRICS_ADDR=127.0.0.1:0"), &lineLog{t: t}, &lineLog{t: t}); code != 0 {
		t.Fatalf("chat migrate ended with %d", code)
	}
	ops := map[string]string{}
	before := map[string]map[string]float64{}
	for command, word := range map[string]string{"flusher": "leading a shard", "api": "serving", "local": "ready"} {
		ops[command] = enginetest.FreeAddr(t)
		env := append(slices.Clone(environ), "METRICS_ADDR="+ops[command])
		if command == "local" {
			env = append(localEnviron(t.TempDir()), "METRICS_ADDR="+ops[command])
		}
		url := "http://" + start(t, env, command, word)
		eventually(t, "what is learned of the engines and the cursors", func() bool {
			before[command] = scrape(t, command, ops[command])
			has := map[string]int{}
			for series := range before[command] {
				name, _, _ := strings.Cut(series, "{")
				has[name]++
			}
			switch command {
			case "api":
				return before[command][`chat_redis_durability{mode="always"}`] == 1 && before[command][`chat_mysql_durability{mode="synced"}`] == 1
			case "local":
				return has["chat_flush_cursor_timestamp_seconds"] == 2 && has["chat_queue_depth_entries"] == 2 && has["chat_dead_letters"] == 5 &&
					has["chat_queue_stream_entries"] == 1
			}
			return has["chat_flush_cursor_timestamp_seconds"] == 4 && has["chat_queue_depth_entries"] == 1 && has["chat_dead_letters"] == 5 &&
				has["chat_queue_stream_entries"] == 4 &&
				before[command]["chat_redis_memory_used_bytes"] > 0
		})
		if command != "flusher" {
			apitest.Chat(t, apitest.Target{URL: url})
		}
	}
	for command := range ops {
		after := scrape(t, command, ops[command])
		if was, is := slices.Sorted(maps.Keys(before[command])), slices.Sorted(maps.Keys(after)); !slices.Equal(was, is) {
			t.Errorf("%s: the series were %q, and are %q", command, was, is)
		}
		names := map[string]bool{}
		for series := range after {
			name, _, _ := strings.Cut(series, "{")
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				name = strings.TrimSuffix(name, suffix)
			}
			names[name] = true
		}
		if told, documented := slices.Sorted(maps.Keys(names)), documented(t, command); !slices.Equal(told, documented) {
			t.Errorf("%s tells %q, and the document says %q", command, told, documented)
		}
	}
}

// scrape gives our series and their values.
func scrape(t *testing.T, command, addr string) map[string]float64 {
	t.Helper()
	r, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r.Status, err)
	}
	if problems, err := promlint.New(strings.NewReader(string(text))).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%s: %v %v", command, problems, err)
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "chat_") {
			series, number, _ := strings.Cut(strings.TrimSpace(line), "} ")
			if number == "" {
				series, number, _ = strings.Cut(series, " ")
			} else {
				series += "}"
			}
			var v float64
			if _, err := fmt.Sscan(number, &v); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			all[series] = v
		}
	}
	return all
}

// documented are the metrics that docs/metrics.md says a command has.
func documented(t *testing.T, command string) (names []string) {
	t.Helper()
	f, err := os.Open("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(lines.Text(), " | ")
		if len(cells) == 5 && slices.Contains(strings.Split(cells[3], ", "), command) {
			names = append(names, strings.Trim(cells[0], "| `"))
		}
	}
	return names
}
