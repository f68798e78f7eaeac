//go:build e2e

package e2e

import (
	"os"
	"slices"
	"strings"
)

// mistakes makes what operators do wrong, under load. Each has to be said in a sentence that helps, while what runs goes on;
// then it is taken back.
func (c *cluster) mistakes() {
	c.t.Helper()
	if _, err := c.try("", "helm", "upgrade", release, chart, "--namespace", c.namespace, "--reuse-values", "--set=api.replica=3"); err == nil || !strings.Contains(err.Error(), "replica") {
		c.t.Errorf("a misspelt value: %v", err)
	}
	events := func() string { return c.kubectl("get", "events", "--output=jsonpath={.items[*].message}") }
	for _, m := range []struct {
		what, set string
		said      func() string
		want      string
	}{
		{"an image that can't be pulled", "--set-string=image.tag=absent", events, ":absent"},
		{"a Secret that is missing", "--set=migration.existingSecret=absent", events, `secret "absent" not found`},
		{"another number of partitions", "--set=partitions=8", func() string {
			return c.kubectl("logs", "--selector", selector("api"), "--container=migrate", "--tail=3")
		}, "the database was created with PARTITIONS=16"},
	} {
		c.during(m.what, allowed{}, func() {
			c.helm("upgrade", release, chart, "--reuse-values", m.set)
			c.says(m.said, m.want)
			c.helm("rollback", release, "--wait", "--timeout=5m")
			c.settle("api", 3)
			c.settle("flusher", 2)
		})
	}
	c.during("Leases that the API server forbids", allowed{}, func() {
		c.kubectl("delete", "rolebinding", "--selector", selector("flusher"))
		c.says(func() string {
			return c.kubectl("logs", "--selector", selector("flusher"), "--container=flusher")
		}, "its service account needs")
		c.until("the flushers are not ready", func() bool {
			return !slices.ContainsFunc(c.pods("flusher"), func(p pod) bool { return p.ready() })
		})
		c.helm("upgrade", release, chart, "--reuse-values", "--wait", "--timeout=5m")
		c.settle("flusher", 2)
		c.spread()
	})
}

// noStorageClass installs another release whose volumes no class is set for.
func (c *cluster) noStorageClass() {
	c.t.Helper()
	c.helm(append([]string{"install", "third", chart, "--set=redis.persistence.storageClass=-,search.enabled=false"}, c.values...)...)
	c.says(func() string {
		return c.kubectl("get", "events", "--output=jsonpath={.items[*].message}")
	}, "no storage class is set")
	c.remove("third")
}

// neighbour installs another release beside, uses it, and removes it with its data.
func (c *cluster) neighbour() {
	c.t.Helper()
	c.helm(append([]string{"install", "other", chart, "--wait", "--timeout=5m", "--set=search.enabled=false,api.replicas=1,flusher.replicas=1"},
		slices.Concat(c.values, image(os.Getenv("E2E_IMAGE")))...)...)
	c.helm("test", "other", "--timeout=3m")
	c.helm("test", release, "--timeout=3m")
	c.remove("other")
	c.helm("test", release, "--timeout=3m")
}

// remove uninstalls a release and deletes what its notes say that it leaves.
func (c *cluster) remove(name string) {
	c.t.Helper()
	c.helm("uninstall", name, "--wait", "--timeout=5m")
	c.kubectl("delete", "persistentvolumeclaims,secrets", "--selector", "app.kubernetes.io/instance="+name)
}

func (c *cluster) says(said func() string, want string) {
	c.t.Helper()
	c.until("«"+want+"» is said", func() bool { return strings.Contains(said(), want) })
}
