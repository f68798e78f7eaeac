//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// start runs a test of the runner's image in the cluster. Variables of its own are given as NAME=value.
func (c *cluster) start(name, test string, variables ...string) {
	c.t.Helper()
	var more strings.Builder
	for _, v := range variables {
		key, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&more, "\n        - {name: %s, value: %q}", key, value)
	}
	c.apply(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata:
  name: %s
  labels: {e2e: runner}
spec:
  restartPolicy: Never
  enableServiceLinks: false
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: runner
      image: %s
      args: [-test.run, ^%s$, -test.timeout, 40m]
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      env:
        - {name: SERVICE, value: "%s-chat-system:80"}
        - name: ADMIN_TOKEN
          valueFrom: {secretKeyRef: {name: %s, key: admin-token}}%s`, name, os.Getenv("E2E_RUNNER_IMAGE"), test, release, c.secret(), &more))
}

// succeeds waits until the runner has ended, and fails with what it printed unless it succeeded. It gives what it printed.
func (c *cluster) succeeds(name string) string {
	c.t.Helper()
	var p pod
	c.until(name+" has ended", func() bool {
		c.get(&p, "pod", name)
		return p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed"
	})
	log := c.kubectl("logs", name)
	if p.Status.Phase != "Succeeded" {
		c.t.Fatalf("%s failed:\n%s", name, log)
	}
	return log
}

// counts is what became of the load's requests.
type counts struct {
	Acknowledged int64
	Refused      int64  // answered 503
	Cut          int64  // not answered
	Refusal      string // the last 503
	Failed       bool   // something was wrong with an answer
}

func (c *cluster) counts() counts {
	c.t.Helper()
	return c.countsOf("load")
}

// countsOf a pod that loads.
func (c *cluster) countsOf(name string) counts {
	c.t.Helper()
	var n counts
	c.until("the load's counts can be asked for", func() bool {
		text, err := c.try("", "kubectl", "get", "--raw", "/api/v1/namespaces/"+c.namespace+"/pods/"+name+":8080/proxy/counts")
		return err == nil && json.Unmarshal([]byte(text), &n) == nil
	})
	if n.Failed {
		c.t.Fatalf("the load has failed:\n%s", c.kubectl("logs", name))
	}
	return n
}

// during does something under load and tells what that did to the requests. Those that must not fail are named: what 503
// or no answer may meet.
func (c *cluster) during(what string, may allowed, do func()) {
	c.t.Helper()
	before, begin := c.counts(), time.Now()
	do()
	took := time.Since(begin)
	var now counts
	c.until("the load goes on", func() bool {
		now = c.counts()
		return now.Acknowledged >= before.Acknowledged+500
	})
	refused, cut := now.Refused-before.Refused, now.Cut-before.Cut
	c.t.Logf("%s: %.0f s, %d acknowledged, %d answered 503, %d not answered", what, took.Seconds(), now.Acknowledged-before.Acknowledged, refused, cut)
	if refused > 0 && !may.refuse {
		c.t.Errorf("%s: %d requests were answered 503: %s", what, refused, now.Refusal)
	}
	if cut > 0 && !may.cut {
		c.t.Errorf("%s: %d requests were not answered", what, cut)
	}
}

// allowed is what a step may do to requests, all of which are sent again until they are acknowledged.
type allowed struct{ refuse, cut bool }

// finish ends the load and gives its token and how many chats and messages it has made.
func (c *cluster) finish() (chats, messages int) {
	c.t.Helper()
	log := c.ends("load")
	var token string
	for line := range strings.SplitSeq(log, "\n") {
		if n, _ := fmt.Sscanf(line, "stored: %s %d %d", &token, &chats, &messages); n == 3 {
			return chats, messages
		}
	}
	c.t.Fatalf("the load does not say what it has made:\n%s", log)
	return 0, 0
}

// ends ends a pod that loads, and gives what it printed.
func (c *cluster) ends(name string) string {
	c.t.Helper()
	c.run("", "kubectl", "create", "--raw", "/api/v1/namespaces/"+c.namespace+"/pods/"+name+":8080/proxy/end", "-f", "/dev/null")
	return c.succeeds(name)
}
