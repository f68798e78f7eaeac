// Package chart holds what the chart renders against the real thing: every object, for every switch, is applied to an API server as
// a dry run; the alerts and the dashboards are those of a real Prometheus. What the switches do is tested beside the chart.
package chart

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// root is the project's folder.
var root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").CombinedOutput()
	return filepath.Dir(strings.TrimSpace(string(out))), err
})

var helm = sync.OnceValues(func() (string, error) {
	dir, err := root()
	if err != nil {
		return dir, err
	}
	cmd := exec.Command("go", "tool", "-C", dir, "-modfile=internal/tools/kubernetes/go.mod", "-n", "helm")
	cmd.Stderr = os.Stderr // it tells there what it downloads
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
})

// folder gives the chart's.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(dir, err)
	}
	return filepath.Join(dir, "charts", "chat-system")
}

// Render gives the objects that helm makes of the chart, as the release «chat».
func Render(t *testing.T, args ...string) []*unstructured.Unstructured {
	t.Helper()
	program, err := helm()
	if err != nil {
		t.Fatal(program, err)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, append([]string{"template", "chat", folder(t), "--kube-version=1.37"}, args...)...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("helm template %s: %v: %s", strings.Join(args, " "), err, errs.String())
	}
	var objects []*unstructured.Unstructured
	for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(out), 4096); ; {
		o := &unstructured.Unstructured{}
		err := documents.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}
