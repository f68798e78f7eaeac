package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// Each alert has a runbook to which it leads, and a case for firing and one for not firing, which promtool runs.
func TestAlertsFireWhenTheyShouldAndNotOtherwise(t *testing.T) {
	t.Parallel()
	alerts, text := Alerts(t)
	dir := t.TempDir()
	cases, err := os.ReadFile("testdata/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"rules.yaml": text, "cases.yaml": cases} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"},
		{"test", "rules", "cases.yaml"},
	} {
		if out, err := promtool(t, dir, args...); err != nil {
			t.Errorf("promtool %s: %v: %s", strings.Join(args[:2], " "), err, out)
		}
	}

	var file struct {
		Tests []struct {
			Exprs []struct {
				Expr    string
				Samples []any `json:"exp_samples"`
			} `json:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal(cases, &file); err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`alertname=~?"([^"]+)"`)
	documented, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, alert := range alerts {
		name := alert["alert"].(string)
		names = append(names, name)
		var fires, rests bool
		for _, test := range file.Tests {
			for _, e := range test.Exprs {
				match := named.FindStringSubmatch(e.Expr)
				if match == nil || !regexp.MustCompile("^(?:"+match[1]+")$").MatchString(name) {
					continue
				}
				fires, rests = fires || len(e.Samples) > 0, rests || len(e.Samples) == 0
			}
		}
		if !fires || !rests {
			t.Errorf("%s has no case in which it fires, or none in which it does not", name)
		}
		if url, _ := alert["annotations"].(map[string]any)["runbook_url"].(string); !strings.HasSuffix(url, "/monitor/runbooks/"+name) {
			t.Errorf("%s leads to the runbook %q", name, url)
		}
		if !slices.Contains(documented, "../../docs/runbooks/"+name+".md") {
			t.Errorf("%s has no runbook", name)
		}
	}
	for _, path := range documented {
		if name := strings.TrimSuffix(filepath.Base(path), ".md"); !slices.Contains(names, name) {
			t.Errorf("the runbook %s belongs to no alert", name)
		}
	}
}
