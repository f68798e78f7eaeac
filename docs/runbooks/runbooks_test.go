package runbooks

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each says what it means, what it does to clients, how to find out and what to do, and leads nowhere that is not there.
func TestEveryRunbookIsWhole(t *testing.T) {
	t.Parallel()
	names := Names()
	if len(names) < 10 {
		t.Fatalf("%v", names)
	}
	href := regexp.MustCompile(`href="([^"]*)"`)
	link := regexp.MustCompile(`\]\(([^)]*)\)`)
	for _, name := range names {
		source, err := os.ReadFile(name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		var sections []string
		for line := range strings.Lines(string(source)) {
			if strings.HasPrefix(line, "#") {
				sections = append(sections, strings.TrimSpace(line))
			}
		}
		if want := []string{"# " + name, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"}; !slices.Equal(sections, want) {
			t.Errorf("%s has the sections %v", name, sections)
		}
		for _, to := range link.FindAllStringSubmatch(string(source), -1) {
			if _, err := os.Stat(filepath.FromSlash(to[1])); err != nil {
				t.Errorf("%s leads to %s: %v", name, to[1], err)
			}
		}
		if m := Meaning(name); len(m) < 30 || strings.ContainsAny(m, "[]`#\n") {
			t.Errorf("%s means %q", name, m)
		}
		html, ok := HTML(name)
		if !ok || strings.Contains(html, "<h1") || strings.Contains(html, "raw HTML omitted") {
			t.Errorf("%s: %v %s", name, ok, html)
		}
		for _, to := range href.FindAllStringSubmatch(html, -1) {
			if !slices.Contains(names, to[1]) {
				t.Errorf("%s leads to %s, which the page does not have", name, to[1])
			}
		}
	}
}

func TestWhatIsElsewhereIsNamed(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := markdown.Convert([]byte("# A\n\nSee [the *other* page](../scaling.md), [this](ChatDown.md) and <b>not this</b>.\n"), &b); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("<p>See the <em>other</em> page (docs/scaling.md), <a href=%q>this</a> and <!-- raw HTML omitted -->not this<!-- raw HTML omitted -->.</p>\n", "ChatDown")
	if b.String() != want {
		t.Errorf("%s, not %s", b.String(), want)
	}
	if _, ok := HTML("../scaling"); ok {
		t.Error("a file beside the runbooks is one")
	}
}
