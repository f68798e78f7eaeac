//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestChart is one story: its parts follow on each other, and the load goes on through them.
func TestChart(t *testing.T) { //nolint:paralleltest // it is alone
	c := setup(t)
	step := func(name string, do func()) {
		if !t.Run(name, func(t *testing.T) { c.t = t; do() }) {
			t.FailNow()
		}
		c.t = t
	}
	older := c.older()
	install := append([]string{"install", release, older, "--wait", "--timeout=5m", "--set=api.replicas=3,flusher.replicas=2,backup.suspend=true", fmt.Sprintf("--set=flusher.shards=%d", shards)}, c.values...)
	step("Install", func() {
		c.helm(append(install, image(os.Getenv("E2E_IMAGE"))...)...)
		c.settle("api", 3)
		c.settle("flusher", 2)
		c.spread()
	})
	step("HelmTest", func() { c.helm("test", release, "--timeout=3m") })
	step("Neighbours", c.neighbours)
	step("NoStorageClass", c.noStorageClass)
	step("Contract", func() {
		c.start("contract", "TestContractInCluster")
		c.succeeds("contract")
	})
	step("Load", func() {
		c.start("load", "TestLoadInCluster")
		c.counts()
	})
	step("KillAPI", func() {
		for range 2 {
			c.during("killing an API pod", allowed{refuse: true, cut: true}, func() {
				c.kill(c.pods("api")[0].Metadata.Name)
				c.settle("api", 3)
			})
		}
	})
	step("KillLeader", func() {
		c.during("killing the leading flusher", allowed{}, func() {
			by, _ := c.leaders()
			var victim string
			for name, n := range by {
				if victim == "" || n > by[victim] {
					victim = name
				}
			}
			begin := time.Now()
			c.kill(victim)
			c.until("its shards are led by others", func() bool {
				by, all := c.leaders()
				return all && by[victim] == 0
			})
			t.Logf("a killed leader's shards are led again after %.1f s", time.Since(begin).Seconds())
			c.settle("flusher", 2)
			c.spread()
		})
	})
	step("Mistakes", c.mistakes)
	step("ScaleFlushers", func() {
		for _, n := range []int{1, 4, 2} {
			c.during(fmt.Sprintf("scaling the flushers to %d", n), allowed{}, func() {
				c.moves(func() { c.scale("flusher", n) })
			})
		}
	})
	step("ScaleAPI", func() {
		for _, n := range []int{2, 5, 2} {
			c.during(fmt.Sprintf("scaling the API to %d", n), allowed{}, func() { c.scale("api", n) })
		}
	})
	step("RestartEngines", func() {
		for _, engine := range []string{"redis", "mysql"} {
			c.during("restarting "+engine, allowed{refuse: true}, func() {
				c.kubectl("delete", "pod", c.pods(engine)[0].Metadata.Name)
				c.settle(engine, 1)
				c.settle("api", 2)
				c.settle("flusher", 2)
			})
		}
	})
	step("Upgrade", func() {
		upgrade := slices.Concat([]string{"upgrade", release, chart}, install[3:], image(os.Getenv("E2E_NEXT_IMAGE")))
		c.during("helm upgrade of a packaged older version to this one and another tag", allowed{}, func() {
			c.moves(func() {
				c.helm(upgrade...)
				c.settle("api", 3)
				c.settle("flusher", 2)
			})
		})
		c.runs(os.Getenv("E2E_NEXT_IMAGE"))
	})
	step("Rollback", func() {
		c.during("helm rollback", allowed{}, func() {
			c.moves(func() {
				c.helm("rollback", release, "1", "--wait", "--timeout=5m")
				c.settle("api", 3)
				c.settle("flusher", 2)
			})
		})
		c.runs(os.Getenv("E2E_IMAGE"))
	})
	step("Shards", func() {
		c.during("changing the number of shards to 3 and back", allowed{}, func() {
			for _, n := range []string{"3", "4"} {
				c.helm("upgrade", release, chart, "--reuse-values", "--wait", "--timeout=5m", "--set=flusher.shards="+n)
				c.settle("flusher", 2)
			}
			c.spread()
		})
	})
	step("Evict", func() {
		c.during("evicting an API pod and a flusher pod, as draining a node does", allowed{}, func() {
			for component, n := range map[string]int{"api": 3, "flusher": 2} {
				pods := c.pods(component)
				if err := c.evict(pods[0].Metadata.Name); err != nil {
					c.t.Error(err)
				}
				if err := c.evict(pods[1].Metadata.Name); err == nil || !strings.Contains(err.Error(), "disruption budget") {
					c.t.Errorf("a second pod of %s was evicted at the same time: %v", component, err)
				}
				c.settle(component, n)
			}
			c.spread()
		})
	})
	step("End", func() {
		chats, messages := c.finish()
		t.Logf("%d chats and %d messages were acknowledged and read back", chats, messages)
		c.stored(chats, messages)
	})
	step("Backups", c.backups)
	step("Uninstall", c.uninstall)
}

// runs holds the API and flusher pods to an image.
func (c *cluster) runs(image string) {
	c.t.Helper()
	for _, component := range []string{"api", "flusher"} {
		out := c.kubectl("get", "pods", "--selector", selector(component), "--output=jsonpath={.items[*].spec.containers[*].image}")
		for is := range strings.FieldsSeq(out) {
			if is != image {
				c.t.Errorf("a pod of %s runs %s, and not %s", component, is, image)
			}
		}
	}
}

// evict asks for a pod's eviction, as kubectl drain does.
func (c *cluster) evict(name string) error {
	_, err := c.try(fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": %q}}`, name, c.namespace),
		"kubectl", "create", "--raw", "/api/v1/namespaces/"+c.namespace+"/pods/"+name+"/eviction", "-f", "-")
	return err
}

// stored waits until the tables hold what was acknowledged, and holds them to it.
func (c *cluster) stored(chats, messages int) {
	c.t.Helper()
	app := "(SELECT id FROM applications WHERE name = 'load')"
	c.until("everything is stored", func() bool {
		return c.sql("SELECT COUNT(*) FROM messages WHERE application_id = "+app) == fmt.Sprint(messages) &&
			c.sql("SELECT COUNT(*) FROM chats WHERE application_id = "+app) == fmt.Sprint(chats) // by other transactions
	})
	for query, want := range map[string]int{
		"SELECT COUNT(*) FROM dead_letters":                                   0,
		"SELECT SUM(messages_count) FROM chats WHERE application_id = " + app: messages,
		"SELECT COUNT(*) FROM (SELECT 1 FROM messages WHERE application_id = " + app + " GROUP BY chat_number, body HAVING COUNT(*) > 1) d":      0,
		"SELECT COUNT(*) FROM (SELECT 1 FROM messages WHERE application_id = " + app + " GROUP BY chat_number HAVING MAX(number) <> COUNT(*)) d": 0,
	} {
		if got := c.sql(query); got != fmt.Sprint(want) {
			c.t.Errorf("%s: %s, want %d", query, got, want)
		}
	}
}

func (c *cluster) sql(query string) string {
	c.t.Helper()
	return strings.TrimSpace(c.kubectl("exec", c.pods("mysql")[0].Metadata.Name, "--", "sh", "-c",
		`MYSQL_PWD=$MYSQL_PASSWORD exec mysql --host=127.0.0.1 --user="$MYSQL_USER" --skip-column-names --batch "$MYSQL_DATABASE" --execute="$0"`, query))
}

// uninstall removes the release. What its notes say is left, and nothing else; without that, too, the namespace is empty and
// can be deleted.
func (c *cluster) uninstall() {
	c.kubectl("delete", "pod", "--selector", "e2e=runner")
	secret := c.secret()
	c.helm("uninstall", release, "--wait", "--timeout=5m")
	var kinds []string
	for kind := range strings.FieldsSeq(c.kubectl("api-resources", "--namespaced", "--verbs=list,delete", "--output=name")) {
		if kind != "events" && kind != "events.events.k8s.io" {
			kinds = append(kinds, kind)
		}
	}
	empty := func(what string, but ...string) {
		c.until(what, func() bool {
			left := strings.Fields(c.kubectl("get", strings.Join(kinds, ","), "--output=name"))
			left = slices.DeleteFunc(left, func(name string) bool {
				return name == "serviceaccount/default" || name == "configmap/kube-root-ca.crt" ||
					slices.ContainsFunc(but, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
			})
			return len(left) == 0
		})
	}
	empty("what the notes say is left", "persistentvolumeclaim/", "secret/"+secret, "redisbackup.", "redisrestore.",
		"job.batch/by-hand", "pod/by-hand", "job.batch/look", "pod/look", "job.batch/damaged", "pod/damaged", "job.batch/bring-back", "pod/bring-back")
	mine := "app.kubernetes.io/instance=" + release
	c.kubectl("delete", "redisbackups,redisrestores", "--selector", mine)
	c.kubectl("delete", "pvc", "--selector", mine)
	c.kubectl("delete", "secret", secret)
	empty("nothing is left")
	c.kubectl("delete", "namespace", c.namespace, "--timeout=3m")
}
