//go:build e2e

package e2e

import (
	"slices"
	"strings"
)

// mistakes makes what operators do wrong, under load. What runs goes on, and each is said in the words of the chart's README;
// then it is taken back.
func (c *cluster) mistakes() {
	c.t.Helper()
	_, err := c.try("", "helm", "upgrade", release, chart, "--namespace", c.namespace, "--reuse-values", "--set=api.replica=3")
	if err == nil || !strings.Contains(err.Error(), "values don't meet the specifications of the schema") || !strings.Contains(err.Error(), "'replica'") {
		c.t.Errorf("a misspelt value: %v", err)
	}
	for _, m := range []struct {
		what, set string
		said      func() string
		want      string
	}{
		{"an image that can't be pulled", "--set-string=image.tag=absent", c.events, ":absent"},
		{"a Secret that is missing", "--set=migration.existingSecret=absent", c.events, `secret "absent" not found`},
		{"another number of partitions", "--set=partitions=8", func() string { return c.logs("api", "migrate") },
			"the database was created with PARTITIONS=16, and it is 8 now"},
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
		said := func() string { return c.logs("flusher", "flusher") }
		c.says(said, "is forbidden")
		c.says(said, "its service account needs")
		c.until("no flusher is ready", func() bool {
			return !slices.ContainsFunc(c.pods("flusher"), func(p pod) bool { return p.ready() })
		})
		c.helm("upgrade", release, chart, "--reuse-values", "--wait", "--timeout=5m")
		c.settle("flusher", 2)
		c.spread()
	})
}
