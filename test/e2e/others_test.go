//go:build e2e

package e2e

import (
	"os"
	"slices"
)

// noStorageClass installs another release whose volumes no class is set for.
func (c *cluster) noStorageClass() {
	c.t.Helper()
	c.helm(append([]string{"install", "third", chart, "--set=redis.persistence.storageClass=-,search.enabled=false,backup.suspend=true"}, c.values...)...)
	c.says(c.events, "no storage class is set")
	c.remove("third")
}

// neighbours installs two more releases, uses them, and removes them with their data: one beside the first, and one of the same
// name in another namespace, on engines that it reaches with TLS alone. None may touch another.
func (c *cluster) neighbours() {
	c.t.Helper()
	// suspended: the hour may pass meanwhile, and a backup outlives its release
	small := slices.Concat([]string{"--set=search.enabled=false,api.replicas=1,flusher.replicas=1,backup.suspend=true"}, c.values, image(os.Getenv("E2E_IMAGE")))
	before := c.sql("SELECT COUNT(*) FROM applications")
	away := &cluster{t: c.t, namespace: c.namespace + "-away"}
	away.makeNamespace()
	external := slices.Concat(away.externalEngines(), small)
	away.helm(slices.Concat([]string{"install", release, chart}, external, []string{"--set=ca.secret="})...)

	c.helm(slices.Concat([]string{"install", "other", chart, "--wait", "--timeout=5m"}, small)...)
	c.helm("test", "other", "--timeout=3m")
	away.says(func() string { return away.logs("api", "migrate") }, "certificate signed by unknown authority")
	away.helm(slices.Concat([]string{"upgrade", release, chart, "--wait", "--timeout=5m"}, external)...)
	away.helm("test", release, "--timeout=3m")
	if now := c.sql("SELECT COUNT(*) FROM applications"); now != before {
		c.t.Errorf("the first release has %s applications, and not %s, since others were tested", now, before)
	}

	c.remove("other")
	away.helm("test", release, "--timeout=3m")
	away.helm("uninstall", release, "--wait", "--timeout=5m")
	c.kubectl("delete", "namespace", away.namespace, "--timeout=3m")
	c.helm("test", release, "--timeout=3m")
}

// remove uninstalls a release and deletes what its notes say that it leaves.
func (c *cluster) remove(name string) {
	c.t.Helper()
	c.helm("uninstall", name, "--wait", "--timeout=5m")
	c.kubectl("delete", "persistentvolumeclaims,secrets", "--selector", "app.kubernetes.io/instance="+name)
}
