package chart

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"chat-system/internal/enginetest"
)

// Alerts gives the rules of the chart's PrometheusRule, and all of them as Prometheus reads them from a file.
func Alerts(t *testing.T, args ...string) (alerts []map[string]any, file []byte) {
	t.Helper()
	objects := Render(t, append([]string{"--namespace=ns", "--show-only=templates/monitoring/alerts.yaml", "--set=metrics.prometheusRule.enabled=true"}, args...)...)
	if len(objects) != 1 || objects[0].GetKind() != "PrometheusRule" {
		t.Fatalf("not one PrometheusRule: %v", objects)
	}
	groups, _, err := unstructured.NestedSlice(objects[0].Object, "spec", "groups")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range groups {
		for _, rule := range group.(map[string]any)["rules"].([]any) {
			alerts = append(alerts, rule.(map[string]any))
		}
	}
	if file, err = yaml.Marshal(objects[0].Object["spec"]); err != nil {
		t.Fatal(err)
	}
	return alerts, file
}

// promtool runs it in a folder.
func promtool(t *testing.T, dir string, args ...string) ([]byte, error) {
	t.Helper()
	command := append(enginetest.Promtool(t), args...)
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// The windows of the alerts, shortened to what a test can wait for.
const quick = `
metrics:
  prometheusRule:
    burnRates: [{severity: critical, factor: 14.4, long: 10s, short: 3s, for: 0s}, {severity: warning, factor: 6, long: 10s, short: 3s, for: 0s}]
    leastFaults: 1
    keepFiringFor: 0s
    alerts:
      ChatConnectionsTurnedAway: {for: 0s, window: 5s}
      ChatDown: {for: 1s}
      ChatNoLeader: {for: 1s}
      ChatOldestEntryTooOld: {for: 0s, seconds: 2}
      ChatQueueGrowing: {for: 0s, entries: 20, window: 3s}
      ChatQueueNearlyFull: {for: 0s}
      ChatRedisMemoryNearlyFull: {for: 0s}
      ChatFlushStandsStill: {window: 5s}
      ChatBrokenPromise: {window: 5s}
      ChatDeadLetters: {for: 0s}
      ChatSearchLag: {for: 0s, seconds: 2, window: 5s}
      ChatRedisNotDurable: {for: 0s}
      ChatMySQLNotDurable: {for: 0s}
      ChatBackupTooOld: {for: 1s, seconds: 60}
      ChatBackupUnverified: {for: 1s, seconds: 5}
`

// Watch is a Prometheus that scrapes processes as the chart's PodMonitor has it, and has the chart's alerts with short windows.
type Watch struct {
	*enginetest.PrometheusServer
	t     *testing.T
	names []string // of the alerts
}

// NewWatch scrapes processes by the component that they are, host:port each.
func NewWatch(t *testing.T, processes map[string][]string, args ...string) *Watch {
	t.Helper()
	dir := t.TempDir()
	values, rules := filepath.Join(dir, "values.yaml"), filepath.Join(dir, "rules.yaml")
	if err := os.WriteFile(values, []byte(quick), 0o600); err != nil {
		t.Fatal(err)
	}
	alerts, file := Alerts(t, append([]string{"--values=" + values}, args...)...)
	if err := os.WriteFile(rules, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var targets []map[string]any
	for component, addrs := range processes {
		for i, addr := range addrs {
			targets = append(targets, map[string]any{"targets": []string{addr}, "labels": map[string]string{
				"namespace": "ns", "pod": fmt.Sprintf("%s-%d", component, i), // the operator adds these two
				"__meta_kubernetes_pod_label_app_kubernetes_io_instance":  "chat",
				"__meta_kubernetes_pod_label_app_kubernetes_io_component": component,
			}})
		}
	}
	config, err := yaml.Marshal(map[string]any{
		"global":     map[string]any{"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
		"rule_files": []string{rules},
		"scrape_configs": []any{map[string]any{
			"job_name": "chat", "static_configs": targets, "relabel_configs": relabelings(t),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &Watch{PrometheusServer: enginetest.Prometheus(t, string(config)), t: t}
	for _, a := range alerts {
		w.names = append(w.names, a["alert"].(string))
	}
	return w
}

// relabelings are those of the PodMonitor, as Prometheus spells them.
func relabelings(t *testing.T) (configs []map[string]any) {
	t.Helper()
	monitor := Render(t, "--show-only=templates/monitoring/monitors.yaml", "--set=metrics.podMonitor.enabled=true")[0]
	endpoints, _, err := unstructured.NestedSlice(monitor.Object, "spec", "podMetricsEndpoints")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range endpoints[0].(map[string]any)["relabelings"].([]any) {
		r := r.(map[string]any)
		configs = append(configs, map[string]any{"source_labels": r["sourceLabels"], "target_label": r["targetLabel"]})
	}
	return configs
}

// Firing gives the alerts that fire, each with its labels.
func (w *Watch) Firing() map[string]model.LabelSet {
	w.t.Helper()
	all, err := w.Alerts(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	firing := map[string]model.LabelSet{}
	for _, a := range all.Alerts {
		if a.State == prometheus.AlertStateFiring {
			firing[string(a.Labels["alertname"])] = a.Labels
		}
	}
	return firing
}

// Fires waits until each of some alerts has fired, whatever else does.
func (w *Watch) Fires(names ...string) {
	w.t.Helper()
	fired := map[string]bool{}
	w.until(fmt.Sprintf("%v fire", names), func() bool {
		firing := w.Firing()
		for _, name := range names {
			if labels := firing[name]; labels["namespace"] == "ns" && labels["release"] == "chat" && labels["severity"] != "" {
				fired[name] = true
			}
		}
		return len(fired) == len(names)
	})
}

// Rests waits until no alert fires, but for some.
func (w *Watch) Rests(but ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("nothing but %v fires", but), func() bool {
		firing := w.Firing()
		for _, name := range but {
			delete(firing, name)
		}
		return len(firing) == 0
	})
}

func (w *Watch) until(what string, is func() bool) {
	w.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(90 * time.Second); !is(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within 90 s: %s; firing: %v", what, w.Firing())
		}
	}
}

// Expression is what a panel of a dashboard asks.
type Expression struct{ Dashboard, Panel, Expr, Legend string }

// Expressions gives those of the chart's dashboards, with the variables of this release.
func Expressions(t *testing.T) (all []Expression) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder(t), "dashboards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	variables := strings.NewReplacer("$namespace", "ns", "$release", "chat", "$__rate_interval", "5s", "$__range", "1m")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ Expr, LegendFormat string }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				all = append(all, Expression{board.Title, p.Title, variables.Replace(target.Expr), target.LegendFormat})
			}
		}
	}
	return all
}

// labels of a legend.
var labels = regexp.MustCompile(`{{([a-z]+)}}`)

// Returns waits until each expression returned a number, at some moment or other.
func (w *Watch) Returns(all []Expression) {
	w.t.Helper()
	for _, e := range all {
		if strings.Contains(e.Expr, "$") {
			w.t.Errorf("%s, «%s»: a variable is left: %s", e.Dashboard, e.Panel, e.Expr)
			continue
		}
		w.until(fmt.Sprintf("%s, «%s» has data: %s", e.Dashboard, e.Panel, e.Expr), func() bool {
			value, warnings, _, err := w.Query(w.t.Context(), e.Expr, time.Now())
			if err != nil || len(warnings) > 0 {
				w.t.Fatalf("%s, «%s»: %v %v: %s", e.Dashboard, e.Panel, err, warnings, e.Expr)
			}
			for _, s := range value.(model.Vector) {
				for _, label := range labels.FindAllStringSubmatch(e.Legend, -1) {
					if s.Metric[model.LabelName(label[1])] == "" {
						w.t.Fatalf("%s, «%s»: the legend names %s, and there is %v", e.Dashboard, e.Panel, label[1], s.Metric)
					}
				}
				if !math.IsNaN(float64(s.Value)) {
					return true
				}
			}
			return false
		})
	}
	w.t.Logf("%d expressions returned data", len(all))
}

// Names of the alerts that the chart made.
func (w *Watch) Names() []string { return w.names }
