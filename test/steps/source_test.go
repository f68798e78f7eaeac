//go:build failpoint

package steps

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

var hit = regexp.MustCompile(`(?:failpoint\.Hit\([^,"]+, |\.at\(|\.step\()"([a-z]+\.[a-z]+)"\)`)

// Every step that the code names is in the table, and the other way round.
func TestTheTableHasEveryStepOfTheCode(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	in := map[string]string{}
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, path)
		for _, m := range hit.FindAllSubmatch(text, -1) {
			in[string(m[1])] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if in[s.name] == "" {
			t.Errorf("no code comes to %s", s.name)
		}
		if s.between == "" || len(s.reaches) == 0 {
			t.Errorf("%s does not say what it lies between, or how to come there", s.name)
		}
		delete(in, s.name)
	}
	for name, path := range in {
		t.Errorf("%s of %s is not in the table", name, path)
	}
}
