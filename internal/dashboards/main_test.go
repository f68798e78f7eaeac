package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTheFilesAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	files, err := render()
	if err != nil {
		t.Fatal(err)
	}
	there, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(there) != len(files) {
		t.Errorf("%d files, and not %v: %v", len(files), there, err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(got) != string(want) {
			t.Errorf("%s is stale (%v): go generate ./internal/dashboards", name, err)
		}
	}
}

// What is measured can be seen: each metric is on a dashboard, and nothing else is.
func TestEveryMetricIsOnADashboard(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, shown []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(chat_[a-z_]+)`").FindAllSubmatch(document, -1) {
		documented = append(documented, string(match[1]))
	}
	name := regexp.MustCompile(`chat_[a-z_]+`)
	for _, b := range boards {
		for _, r := range b.rows {
			for _, p := range r.panels {
				for _, q := range p.queries {
					for _, metric := range name.FindAllString(q.expr, -1) {
						shown = append(shown, histogram(metric))
					}
				}
			}
		}
	}
	for _, metric := range documented {
		if !slices.Contains(shown, metric) {
			t.Errorf("%s is on no dashboard", metric)
		}
	}
	for _, metric := range shown {
		if !slices.Contains(documented, metric) {
			t.Errorf("%s is on a dashboard and not in docs/metrics.md", metric)
		}
	}
}

// histogram is the metric that a series of one belongs to.
func histogram(series string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		series = strings.TrimSuffix(series, suffix)
	}
	return series
}
