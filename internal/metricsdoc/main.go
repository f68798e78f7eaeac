// Command metricsdoc writes docs/metrics.md from the metrics that the programs have. `go generate` runs it here.
package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed" // the template
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"text/template"

	dto "github.com/prometheus/client_model/go"
)

//go:generate go run .

//go:embed metrics.md.tmpl
var page string

func main() {
	text, err := document(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("../../docs/metrics.md", text, 0o644); err != nil { //nolint:gosec // a source file
		log.Fatal(err)
	}
}

// gathered is what a registry held once.
type gathered []*dto.MetricFamily

// Gather implements prometheus.Gatherer.
func (g gathered) Gather() ([]*dto.MetricFamily, error) { return g, nil }

// metric is one row.
type metric struct {
	Name, Type, Labels, Reporters, Help string
}

func document(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "chat-metricsdoc-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	all, err := reporters(ctx, dir)
	if err != nil {
		return nil, err
	}
	rows, err := metrics(all)
	if err != nil {
		return nil, err
	}
	t, err := template.New("page").Parse(page)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, rows)
	return b.Bytes(), err
}

// metrics puts together what the programs report. What the libraries add has other prefixes and is left out.
func metrics(all []reporter) ([]metric, error) {
	rows := map[string]*metric{}
	labels := map[string]map[string]map[string]bool{} // by metric: labels and their values
	for _, r := range all {
		families, err := r.families.Gather()
		if err != nil {
			return nil, err
		}
		for _, f := range families {
			name := f.GetName()
			if !strings.HasPrefix(name, "chat_") {
				continue
			}
			if rows[name] == nil {
				rows[name] = &metric{Name: name, Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp()}
				labels[name] = map[string]map[string]bool{}
			}
			rows[name].Reporters = strings.TrimPrefix(rows[name].Reporters+", "+r.name, ", ")
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if labels[name][l.GetName()] == nil {
						labels[name][l.GetName()] = map[string]bool{}
					}
					labels[name][l.GetName()][l.GetValue()] = true
				}
			}
		}
	}
	var sorted []metric
	for name, row := range rows {
		var texts []string
		for label, values := range labels[name] {
			texts = append(texts, labelText(label, values))
		}
		slices.Sort(texts)
		row.Labels = strings.Join(texts, "; ")
		sorted = append(sorted, *row)
	}
	slices.SortFunc(sorted, func(a, b metric) int { return cmp.Compare(a.Name, b.Name) })
	return sorted, nil
}

// labelText names a label, and its values where they are a few words.
func labelText(label string, values map[string]bool) string {
	if len(values) < 2 || len(values) > 8 {
		return label
	}
	return label + ": " + strings.Join(slices.Sorted(maps.Keys(values)), ", ")
}
