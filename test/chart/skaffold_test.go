package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/pb33f/jsonschema/v6"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// skaffold is the oldest version that skaffold.yaml is for.
const skaffold = "github.com/GoogleContainerTools/skaffold/v2@v2.13.0"

// configuration is what skaffold.yaml says and this chart has to fit.
type configuration struct {
	APIVersion string
	Build      struct {
		Artifacts []struct {
			Image  string
			Docker struct {
				Dockerfile string
				BuildArgs  map[string]string
			}
		}
	}
	Deploy struct {
		Helm struct {
			Releases []struct {
				Name, ChartPath, Namespace string
				ValuesFiles                []string
				SetValues                  map[string]any
				SetValueTemplates          map[string]string
			}
		}
	}
	PortForward []struct {
		ResourceType, ResourceName, Namespace string
		Port                                  float64
	}
	Profiles []struct {
		Name    string
		Patches json.RawMessage
	}
}

// TestSkaffold holds skaffold.yaml, as it is and with each profile, to skaffold's schema, and what it names to what there is:
// skaffold itself takes minutes to build.
func TestSkaffold(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds helm")
	}
	text, err := os.ReadFile("../../skaffold.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := yaml.ToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var c configuration
	if err := json.Unmarshal(plain, &c); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(module(t, skaffold), "docs-v2/content/en/schemas", strings.TrimPrefix(c.APIVersion, "skaffold/")+".json")
	schema, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	variants := map[string][]byte{"": plain}
	for _, p := range c.Profiles {
		patch, err := jsonpatch.DecodePatch(p.Patches)
		if err != nil {
			t.Fatal(err)
		}
		if variants[p.Name], err = patch.Apply(plain); err != nil {
			t.Fatalf("profile %s: %v", p.Name, err)
		}
	}
	for name, variant := range variants {
		t.Run("Profile:"+name, func(t *testing.T) {
			t.Parallel()
			document, err := jsonschema.UnmarshalJSON(bytes.NewReader(variant))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(document); err != nil {
				t.Error(err)
			}
			var c configuration
			if err := json.Unmarshal(variant, &c); err != nil {
				t.Fatal(err)
			}
			c.fits(t)
		})
	}
}

// fits installs the releases as skaffold would, after it has built the images under names of its own.
func (c *configuration) fits(t *testing.T) {
	t.Helper()
	var want []string
	variables := map[string]string{}
	for _, a := range c.Build.Artifacts {
		dockerfile, err := os.ReadFile(filepath.Join("../..", a.Docker.Dockerfile))
		if err != nil {
			t.Fatal(err)
		}
		for name := range a.Docker.BuildArgs {
			if !regexp.MustCompile(`(?m)^ARG .*\b` + name + `=`).Match(dockerfile) {
				t.Errorf("the Dockerfile has no argument %s", name)
			}
		}
		suffix := regexp.MustCompile(`[^A-Za-z0-9_]`).ReplaceAllString(a.Image, "_")
		variables["IMAGE_REPO_"+suffix], variables["IMAGE_TAG_"+suffix] = "registry.example.com/"+a.Image, "built"
		want = append(want, "registry.example.com/"+a.Image+":built")
	}
	services := map[string]*unstructured.Unstructured{}
	for _, r := range c.Deploy.Helm.Releases {
		if r.Name != "chat" || r.ChartPath != "charts/chat-system" {
			t.Errorf("release %s of %s is not what is rendered here", r.Name, r.ChartPath)
		}
		args := []string{"--namespace=" + r.Namespace}
		for _, file := range r.ValuesFiles {
			args = append(args, "--values=../../"+file)
		}
		for name, value := range r.SetValues {
			args = append(args, fmt.Sprintf("--set=%s=%v", name, value))
		}
		for name, text := range r.SetValueTemplates {
			var value strings.Builder
			if err := template.Must(template.New(name).Option("missingkey=error").Parse(text)).Execute(&value, variables); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--set="+name+"="+value.String())
		}
		for _, o := range Render(t, args...) {
			switch o.GetKind() {
			case "Service":
				services[r.Namespace+"/"+o.GetName()] = o
			case "Deployment":
				containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
				if err != nil || len(containers) != 1 {
					t.Fatal(containers, err)
				}
				if image, _ := containers[0].(map[string]any)["image"].(string); !slices.Contains(want, image) {
					t.Errorf("%s runs %s, and not what was built: %s", o.GetName(), image, want)
				}
			}
		}
	}
	for _, f := range c.PortForward {
		o := services[f.Namespace+"/"+f.ResourceName]
		if f.ResourceType != "service" || o == nil {
			t.Fatalf("no release makes the %s %s/%s", f.ResourceType, f.Namespace, f.ResourceName)
		}
		ports, _, err := unstructured.NestedSlice(o.Object, "spec", "ports")
		if err != nil || !slices.ContainsFunc(ports, func(p any) bool { n, _ := p.(map[string]any)["port"].(float64); return n == f.Port }) {
			t.Errorf("%s has no port %v: %v %v", f.ResourceName, f.Port, ports, err)
		}
	}
}
