//go:build e2e

package e2e

import (
	"os"
	"slices"
	"strings"
)

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
