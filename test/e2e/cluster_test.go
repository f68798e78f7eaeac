//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	release = "chat"
	chart   = "../../charts/chat-system"
	patient = 5 * time.Minute
)

// cluster is a namespace of the test's own, where PodSecurity allows no more than the profile restricted does.
type cluster struct {
	t         *testing.T
	namespace string
	values    []string // arguments of helm
}

func setup(t *testing.T) *cluster {
	t.Helper()
	for _, name := range []string{"KUBECONFIG", "E2E_IMAGE", "E2E_NEXT_IMAGE", "E2E_RUNNER_IMAGE"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: see make help", name)
		}
	}
	c := &cluster{t: t, namespace: "chat-e2e-" + strings.ToLower(rand.Text()[:6])}
	c.makeNamespace()
	c.values = []string{"--set", "config.rateLimitPerMinute=0"}
	if file := os.Getenv("E2E_VALUES"); file != "" {
		c.values = append(c.values, "--values", file)
	}
	return c
}

// makeNamespace makes the namespace, which goes when the test ends.
func (c *cluster) makeNamespace() {
	c.t.Helper()
	c.apply(fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %s
  labels: {pod-security.kubernetes.io/enforce: restricted}`, c.namespace))
	t := c.t
	t.Cleanup(func() {
		if t.Failed() {
			c.show()
		}
		c.t = t
		c.kubectl("delete", "namespace", c.namespace, "--ignore-not-found", "--timeout=3m")
	})
}

// older packages the chart as a version before this one.
func (c *cluster) older() string {
	c.t.Helper()
	dir := c.t.TempDir()
	c.run("", "helm", "package", chart, "--version=0.0.1", "--destination", dir)
	return dir + "/chat-system-0.0.1.tgz"
}

// image gives helm's arguments for an image.
func image(ref string) []string {
	i := strings.LastIndex(ref, ":")
	return []string{"--set", "image.repository=" + ref[:i], "--set-string", "image.tag=" + ref[i+1:]}
}

// helm runs a command on the release.
func (c *cluster) helm(args ...string) string {
	c.t.Helper()
	return c.run("", "helm", append(args, "--namespace", c.namespace)...)
}

func (c *cluster) kubectl(args ...string) string {
	c.t.Helper()
	return c.run("", "kubectl", append([]string{"--namespace", c.namespace}, args...)...)
}

func (c *cluster) apply(manifest string) {
	c.t.Helper()
	c.run(manifest, "kubectl", "apply", "-f", "-", "--namespace", c.namespace)
}

func (c *cluster) run(in, program string, args ...string) string {
	c.t.Helper()
	out, err := c.try(in, program, args...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	return out
}

// try gives what a command printed; its error has what it printed as errors.
func (c *cluster) try(in, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patient)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, errs.String())
	}
	return out.String(), nil
}

// get decodes what kubectl get gives.
func (c *cluster) get(into any, args ...string) {
	c.t.Helper()
	text := c.kubectl(append([]string{"get", "--output=json"}, args...)...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		c.t.Fatal(err)
	}
}

type pod struct {
	Metadata struct {
		Name              string
		UID               string
		DeletionTimestamp string
	}
	Status struct {
		Phase      string
		Conditions []struct{ Type, Status string }
	}
}

func (p *pod) ready() bool {
	for _, s := range p.Status.Conditions {
		if s.Type == "Ready" && s.Status == "True" {
			return p.Metadata.DeletionTimestamp == ""
		}
	}
	return false
}

// pods are those of a component, also such as are about to end.
func (c *cluster) pods(component string) []pod {
	c.t.Helper()
	var list struct{ Items []pod }
	c.get(&list, "pods", "--selector", selector(component))
	return list.Items
}

// secret is the name of the Secret that the chart made.
func (c *cluster) secret() string {
	c.t.Helper()
	return c.kubectl("get", "secrets", "--selector", "app.kubernetes.io/instance="+release, "--output=jsonpath={.items[0].metadata.name}")
}

func selector(component string) string {
	return "app.kubernetes.io/instance=" + release + ",app.kubernetes.io/component=" + component
}

// object is the name of a component's deployment or stateful set.
func (c *cluster) object(kind, component string) string {
	c.t.Helper()
	return strings.TrimSpace(c.kubectl("get", kind, "--selector", selector(component), "--output=name"))
}

// settle waits until a component has so many pods, all ready, and none that is about to end.
func (c *cluster) settle(component string, n int) {
	c.t.Helper()
	c.until(fmt.Sprintf("%d pods of %s are ready, and no other is there", n, component), func() bool {
		pods := c.pods(component)
		for i := range pods {
			if !pods[i].ready() {
				return false
			}
		}
		return len(pods) == n
	})
}

func (c *cluster) scale(component string, n int) {
	c.t.Helper()
	c.kubectl("scale", c.object("deployment", component), fmt.Sprintf("--replicas=%d", n))
	c.settle(component, n)
}

// kill ends a pod as the loss of its node would: nobody waits for it.
func (c *cluster) kill(name string) {
	c.t.Helper()
	c.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
}

// until waits, and looks four times a second: what is looked at is another process's.
func (c *cluster) until(what string, holds func() bool) {
	c.t.Helper()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(patient)
	defer timeout.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-timeout.C:
			c.t.Fatalf("not within %s: %s", patient, what)
		}
	}
}

// says waits until something is said.
func (c *cluster) says(said func() string, want string) {
	c.t.Helper()
	c.until("«"+want+"» is said", func() bool { return strings.Contains(said(), want) })
}

// events are what the events of the namespace say.
func (c *cluster) events() string {
	c.t.Helper()
	return c.kubectl("get", "events", "--output=jsonpath={.items[*].message}")
}

// logs are what the containers of a component's pods print, but for those that have not started.
func (c *cluster) logs(component, container string) string {
	out, _ := c.try("", "kubectl", "logs", "--namespace", c.namespace, "--selector", selector(component), "--container="+container,
		"--tail=-1", "--max-log-requests=20", "--ignore-errors")
	return out
}

// show prints what helps to understand a failure.
func (c *cluster) show() {
	for _, args := range [][]string{
		{"get", "pods,leases,pdb", "--output=wide"}, {"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "--selector", selector("api"), "--tail=30", "--prefix", "--all-containers"},
		{"logs", "--selector", selector("flusher"), "--tail=30", "--prefix", "--all-containers"},
		{"logs", "--selector", "e2e=runner", "--tail=60", "--prefix"},
	} {
		out, err := c.try("", "kubectl", append(args, "--namespace", c.namespace)...)
		c.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
