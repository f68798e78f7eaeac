//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	schedule = release + "-chat-system"
	volume   = schedule + "-backups"
)

// object is what RedisBackups and RedisRestores have in common, and what each of them tells.
type object struct {
	Metadata struct{ Name string }
	Spec     struct{ ScheduleName string }
	Status   struct {
		Phase, Reason, Message                              string
		VerifiedAt                                          string
		Entries, Stored, AlreadyStored, GivenUp, Partitions int64
		DeadLettered, ClosedSeconds                         int64
	}
}

func (o *object) final() bool { return o.Status.Phase == "Completed" || o.Status.Phase == "Failed" }

// backups lets the schedule fire by itself, loses Redis with its disk under load and brings back what was queued there, then
// damages, prunes and deletes backups.
func (c *cluster) backups() {
	c.fires()
	c.memory()
	c.lose()
	c.damage()
	c.prune()
	c.delete()
}

func (c *cluster) edit(patch string) {
	c.t.Helper()
	c.kubectl("patch", "redisbackupschedule", schedule, "--type=merge", "--patch", patch)
}

// all are the RedisBackups there are.
func (c *cluster) all() []object {
	c.t.Helper()
	var list struct{ Items []object }
	c.get(&list, "redisbackups")
	return list.Items
}

// fires: a schedule of every minute takes a backup by itself; suspended, as it is until then, it takes none.
func (c *cluster) fires() {
	c.t.Helper()
	c.edit(`{"spec": {"schedule": "* * * * *", "suspend": false}}`)
	var first object
	c.until("the schedule has taken a backup by itself", func() bool {
		for _, b := range c.all() {
			if b.Spec.ScheduleName == schedule && b.final() {
				first = b
				return true
			}
		}
		return false
	})
	c.edit(`{"spec": {"schedule": "0 * * * *", "suspend": true}}`)
	if first.Status.Phase != "Completed" || first.Status.VerifiedAt == "" {
		c.t.Fatalf("the schedule's backup: %+v", first)
	}
	c.until("its CronJob is suspended", func() bool {
		return c.kubectl("get", "cronjob", schedule, "--output=jsonpath={.spec.suspend} {.spec.schedule}") == "true 0 * * * *"
	})
	c.start("monitor", "TestMonitorInCluster", "BACKUP="+first.Metadata.Name)
	c.succeeds("monitor")
	c.kubectl("delete", "pod", "monitor", "--wait=false")
	c.t.Logf("kubectl get redisbackups:\n%s", c.kubectl("get", "redisbackups"))
	c.t.Logf("kubectl get redisbackupschedules:\n%s", c.kubectl("get", "redisbackupschedules"))
}

var resident = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

// memory of the controller stays below what is promised.
func (c *cluster) memory() {
	c.t.Helper()
	text := c.kubectl("get", "--raw", "/api/v1/namespaces/"+c.namespace+"/pods/"+c.pods("backup")[0].Metadata.Name+":9464/proxy/metrics")
	m := resident.FindStringSubmatch(text)
	if m == nil {
		c.t.Fatalf("the controller has no metric of its memory:\n%s", text)
	}
	bytes, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Logf("the backup controller has %.0f MiB", bytes/(1<<20))
	if bytes > 64<<20 {
		c.t.Errorf("the backup controller has %.0f bytes, more than 64 MiB", bytes)
	}
}

// make makes a RedisBackup or RedisRestore.
func (c *cluster) make(kind, name, spec string) {
	c.t.Helper()
	c.apply(fmt.Sprintf(`{apiVersion: backup.chat-system.dev/v1alpha1, kind: %s, metadata: {name: %s, labels: {app.kubernetes.io/instance: %s}}, spec: %s}`, kind, name, release, spec))
}

// ended waits until a RedisBackup or RedisRestore has ended in a phase.
func (c *cluster) ended(kind, name, phase string) object {
	c.t.Helper()
	var o object
	c.until(name+" has ended", func() bool {
		o = object{}
		c.get(&o, kind, name)
		return o.final()
	})
	if o.Status.Phase != phase {
		c.t.Fatalf("%s: %+v", name, o.Status)
	}
	return o
}

// backupFiles lists what the volume holds, but for what a pod that was killed left unfinished: it stays for a day.
func (c *cluster) backupFiles() []string {
	c.t.Helper()
	return slices.DeleteFunc(strings.Fields(c.shell("ls -A /backups")), func(file string) bool { return strings.HasPrefix(file, ".unfinished-") })
}

// lose backs up what is queued, loses Redis with its volume under load, and brings it back while the load goes on.
func (c *cluster) lose() {
	c.t.Helper()
	c.start("loss", "TestLossInCluster")
	c.until("the load under which Redis is lost has rows, also of all its chats", func() bool {
		return c.countsOf("loss").Acknowledged > 500 && c.sql("SELECT COUNT(*) FROM messages "+ofLoss) != "0" &&
			c.sql("SELECT COUNT(*) >= 4 FROM chats "+ofLoss) == "1"
	})
	c.scale("flusher", 0)
	c.start("queued", "TestQueuedInCluster")
	var token string
	for line := range strings.SplitSeq(c.succeeds("queued"), "\n") {
		_, _ = fmt.Sscanf(line, "queued: %s", &token)
	}
	c.sql("CREATE TABLE stored_before AS SELECT chat_number, number, created_at FROM messages " + ofLoss)

	c.make("RedisBackup", "by-hand", fmt.Sprintf(`{storage: {persistentVolumeClaim: {claimName: %s}}}`, volume))
	c.killsJob("by-hand")
	if b := c.ended("redisbackup", "by-hand", "Completed"); b.Status.VerifiedAt == "" || b.Status.Entries < queuedMessages {
		c.t.Errorf("the backup by hand: %+v", b.Status)
	}
	if left := c.backupFiles(); len(left) != 2*len(c.all()) {
		c.t.Errorf("in the volume of %d backups lie %q", len(c.all()), left)
	}

	redis := c.object("statefulset", "redis")
	c.kubectl("scale", redis, "--replicas=0")
	c.settle("redis", 0)
	c.kubectl("delete", "pvc", "--selector", selector("redis"))
	c.kubectl("scale", redis, "--replicas=1")
	c.settle("redis", 1)
	c.kubectl("scale", c.object("deployment", "flusher"), "--replicas=2")
	c.settle("flusher", 2)
	c.settle("api", 3)
	before := c.countsOf("loss").Acknowledged
	c.until("the load goes on without what was lost", func() bool { return c.countsOf("loss").Acknowledged > before+500 })

	c.make("RedisRestore", "look", `{backupName: by-hand, dryRun: true}`)
	if r := c.ended("redisrestore", "look", "Completed"); r.Status.Stored < queuedMessages {
		c.t.Errorf("a dry run: %+v", r.Status)
	}
	begin := time.Now()
	c.make("RedisRestore", "bring-back", `{backupName: by-hand}`)
	r := c.ended("redisrestore", "bring-back", "Completed")
	c.t.Logf("restored in %.0f s, pods and all: %+v", time.Since(begin).Seconds(), r.Status)
	if r.Status.Stored < queuedMessages || r.Status.DeadLettered == 0 {
		c.t.Errorf("nothing was missing, or no number was given anew: %+v", r.Status)
	}
	c.start("restored", "TestRestoredInCluster", "TOKEN="+token)
	c.succeeds("restored")
	c.ends("loss")
	c.until("the last message of each chat is stored", func() bool {
		return c.sql("SELECT COUNT(*) FROM messages "+ofLoss+" AND body = 'the last'") == "4" &&
			c.sql("SELECT COUNT(*) FROM messages m JOIN applications a ON a.id = m.application_id WHERE a.name = 'queued'") == fmt.Sprint(queuedMessages+1)
	})
	for query, want := range map[string]string{
		"SELECT COUNT(*) FROM stored_before b LEFT JOIN (SELECT * FROM messages " + ofLoss + ") m USING (chat_number, number, created_at) WHERE m.number IS NULL": "0",
		"SELECT COUNT(*) FROM (SELECT 1 FROM messages " + ofLoss + " GROUP BY chat_number, body HAVING COUNT(*) > 1) d":                                           "0", // the contract's suite posts equal texts
		`SELECT COUNT(*) FROM (SELECT MAX(number) AS top, COUNT(*) AS n FROM (
			SELECT application_id, chat_number, number FROM messages
			UNION ALL SELECT application_id, chat_number, number FROM dead_letters WHERE sink = 'mysql' AND kind = 'message'
		) given GROUP BY application_id, chat_number HAVING top <> n) gaps`: "0",
		"SELECT COUNT(*) FROM dead_letters WHERE sink <> 'restore' AND state <> 'discarded'": "0",
	} {
		if got := c.sql(query); got != want {
			c.t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	c.sql("DROP TABLE stored_before")
}

const (
	ofLoss         = "WHERE application_id = (SELECT id FROM applications WHERE name = 'loss')"
	queuedMessages = 300 // that TestQueuedInCluster posts
)

// killsJob kills the pod of a Job as soon as it runs; another one does its work.
func (c *cluster) killsJob(name string) {
	c.t.Helper()
	var list struct{ Items []pod }
	c.until("the pod of "+name+" is there", func() bool {
		c.get(&list, "pods", "--selector", "batch.kubernetes.io/job-name="+name)
		return len(list.Items) > 0
	})
	c.kill(list.Items[0].Metadata.Name)
}

// shell runs a command in a pod beside the backups' volume, as the user that they belong to.
func (c *cluster) shell(command string) string {
	c.t.Helper()
	image := c.kubectl("get", c.object("statefulset", "redis"), "--output=jsonpath={.spec.template.spec.containers[0].image}")
	text, err := json.Marshal(command)
	if err != nil {
		c.t.Fatal(err)
	}
	c.apply(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata:
  name: shell
  labels: {e2e: runner}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: shell
      image: %s
      command: [sh, -euc, %s]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: backups, mountPath: /backups}]
  volumes:
    - {name: backups, persistentVolumeClaim: {claimName: %s}}`, image, text, volume))
	out := c.succeeds("shell")
	c.kubectl("delete", "pod", "shell")
	return out
}

// damage flips one byte of a backup: no restore begins from it.
func (c *cluster) damage() {
	c.t.Helper()
	c.shell(`file=/backups/by-hand.0.rdb.zst at=$(($(stat -c %s "$file") / 2))
byte=$(dd if="$file" bs=1 skip=$at count=1 2>/dev/null | od -An -tu1)
printf "\\$(printf %03o $((byte ^ 1)))" | dd of="$file" bs=1 seek=$at conv=notrunc 2>/dev/null`)
	c.make("RedisRestore", "damaged", `{backupName: by-hand}`)
	if r := c.ended("redisrestore", "damaged", "Failed"); r.Status.Reason != "Corrupt" {
		c.t.Errorf("a restore of a damaged backup: %+v", r.Status)
	}
}

// prune: what the retention does not keep goes, and its RedisBackup with it.
func (c *cluster) prune() {
	c.t.Helper()
	c.make("RedisBackup", "by-hand-again", fmt.Sprintf(`{storage: {persistentVolumeClaim: {claimName: %s}}}`, volume))
	c.ended("redisbackup", "by-hand-again", "Completed")
	c.edit(`{"spec": {"retention": {"last": 1, "hourly": 0, "daily": 0, "weekly": 0}}}`)
	c.until("the CronJob knows the retention", func() bool {
		return c.kubectl("get", "cronjob", schedule+"-prune", `--output=jsonpath={.spec.jobTemplate.spec.template.spec.containers[0].env[?(@.name=="BACKUP_KEEP_HOURLY")].value}`) == "0"
	})
	c.kubectl("create", "job", "prune-now", "--from=cronjob/"+schedule+"-prune")
	c.until("one backup is left", func() bool {
		all := c.all()
		return len(all) == 1 && all[0].Metadata.Name == "by-hand-again"
	})
	if left := c.shell("ls -A /backups"); strings.Contains(left, "by-hand.") || strings.Contains(left, schedule) {
		c.t.Errorf("what was pruned is there: %s", left)
	}
}

// delete: the data of a RedisBackup goes with it.
func (c *cluster) delete() {
	c.t.Helper()
	c.kubectl("delete", "redisbackup", "by-hand-again")
	c.until("its data is deleted", func() bool {
		return c.kubectl("get", "configmap", schedule+"-backup-records", "--output=jsonpath={.data.by-hand-again}") == ""
	})
	if left := c.backupFiles(); len(left) > 0 {
		c.t.Errorf("what was deleted is there: %s", left)
	}
}
