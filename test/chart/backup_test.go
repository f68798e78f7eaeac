package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "chat-system/backup-controller"
	"chat-system/backup-controller/v1alpha1"
	"chat-system/internal/enginetest/kubernetes"
)

// log is what replicas write. It goes to the test's output as well, until the test has ended: what they still say then is lost.
type log struct {
	mu     sync.Mutex
	text   bytes.Buffer
	output io.Writer // nil: the test has ended
}

func newLog(t *testing.T) *log {
	l := &log{output: t.Output()}
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.output = nil
	})
	return l
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.output != nil {
		_, _ = l.output.Write(b)
	}
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// release is what the chart makes of backups, in a namespace of a real API server, with replicas that have no rights but those of the chart.
type release struct {
	t *testing.T
	client.Client
	*kubernetes.Server
	config controller.Config
	log    *log
}

func install(t *testing.T) *release {
	t.Helper()
	server := apiServer(t)
	kinds := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(kinds), v1alpha1.AddToScheme(kinds)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.Config, client.Options{Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	r := &release{t: t, Client: c, Server: server, log: newLog(t)}
	r.config = controller.Config{
		Place: controller.Place{Namespace: server.Namespace, Release: "chat", Records: "chat-chat-system-backup-records", Template: "chat-chat-system-backup-job"},
		API:   server.User(t, server.Namespace+"-controller"), Lease: "chat-chat-system-backup",
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	for _, o := range Render(t, "--namespace="+server.Namespace) {
		if o.GetLabels()["app.kubernetes.io/component"] != "backup" {
			continue
		}
		switch o.GetKind() {
		case "Role", "ConfigMap", "PodTemplate", "Lease", "RedisBackupSchedule":
			o.SetNamespace(server.Namespace)
			r.must(c.Create(t.Context(), o))
		}
	}
	r.must(c.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "user", Namespace: server.Namespace},
		Subjects:   []rbacv1.Subject{{Kind: "User", Name: server.Namespace + "-controller"}},
		RoleRef:    rbacv1.RoleRef{Kind: "Role", Name: "chat-chat-system-backup"},
	}))
	return r
}

func (r *release) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// replica runs the controller; stop ends it and waits for that.
func (r *release) replica() (ops string, stop func()) {
	r.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	config := r.config
	config.Ops = ln
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- controller.Run(ctx, config) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	return "http://" + ln.Addr().String(), stop
}

// until waits for something.
func (r *release) until(what string, is func() bool) {
	r.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(90 * time.Second)
	defer timeout.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout.C:
			r.t.Fatalf("not within 90 s: %s; the log says: %s", what, r.log)
		}
	}
}

func (r *release) is(name string, o client.Object) bool {
	return r.Get(r.t.Context(), client.ObjectKey{Namespace: r.Namespace, Name: name}, o) == nil
}

// complete plays kubelet and Job controller.
func (r *release) complete(name string) { r.t.Helper(); r.completeAt(name, metav1.Now()) }

func (r *release) completeAt(name string, now metav1.Time) {
	r.t.Helper()
	j := &batchv1.Job{}
	r.until("the Job "+name, func() bool { return r.is(name, j) })
	j.Status.StartTime, j.Status.CompletionTime, j.Status.Succeeded = &now, &now, 1
	for _, c := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	r.must(r.Status().Update(r.t.Context(), j))
}

// fire plays the CronJob's controller: the Job of one time, whose pod reports in JSON, unless that is empty.
func (r *release) fire(at, report string) { r.t.Helper(); r.fireAt(at, report, metav1.Now()) }

func (r *release) fireAt(at, report string, now metav1.Time) {
	r.t.Helper()
	c := &batchv1.CronJob{}
	r.must(r.Get(r.t.Context(), client.ObjectKey{Namespace: r.Namespace, Name: "chat-chat-system"}, c))
	j := &batchv1.Job{ObjectMeta: c.Spec.JobTemplate.ObjectMeta, Spec: c.Spec.JobTemplate.Spec}
	j.Namespace, j.Name = r.Namespace, c.Name+"-"+at
	j.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(c, batchv1.SchemeGroupVersion.WithKind("CronJob"))}
	r.must(r.Create(r.t.Context(), j))
	if report != "" {
		container := j.Spec.Template.Spec.Containers[0].Name
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: j.Name, Namespace: r.Namespace, Labels: map[string]string{batchv1.ControllerUidLabel: string(j.UID)}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: container, Image: "x"}}},
		}
		r.must(r.Create(r.t.Context(), p))
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: report}}}}
		r.must(r.Status().Update(r.t.Context(), p))
	}
	r.completeAt(j.Name, now)
}

func answer(url string) (int, string) {
	response, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// With the rights and objects of the chart, and nothing else, two replicas do all there is to do, each thing once.
func TestTheControllerGetsAlongWithWhatTheChartGivesIt(t *testing.T) {
	t.Parallel()
	const name = "chat-chat-system"
	r := install(t)
	first, stopFirst := r.replica()
	s := &v1alpha1.RedisBackupSchedule{}
	r.until("the schedule is ready", func() bool {
		return r.is(name, s) && meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady) && s.Status.Next != nil
	})

	second, stopSecond := r.replica() // the first one leads
	for _, ops := range []string{first, second} {
		r.until("both are ready", func() bool { code, _ := answer(ops + "/readyz"); return code == http.StatusOK })
	}
	r.fire("1", "")
	r.until("the schedule counts its backup", func() bool { return r.is(name, s) && s.Status.LastSuccess != nil })
	for _, ops := range []string{first, second} {
		r.until("the metrics tell it", func() bool {
			_, text := answer(ops + "/metrics")
			return strings.Contains(text, `chat_backup_last_success_timestamp_seconds{schedule="chat-chat-system"}`) &&
				strings.Contains(text, `chat_backup_due_timestamp_seconds{schedule="chat-chat-system"}`) &&
				strings.Contains(text, `chat_backup_failures_total{schedule="chat-chat-system"} 0`) && strings.Contains(text, "chat_build_info")
		})
	}

	stopFirst() // the other goes on
	b := &v1alpha1.RedisBackup{
		ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: r.Namespace, Labels: map[string]string{"app.kubernetes.io/instance": "chat"}},
		Spec:       v1alpha1.RedisBackupSpec{Source: v1alpha1.Source{Storage: s.Spec.Storage}},
	}
	r.must(r.Create(t.Context(), b))
	r.complete("b")
	rr := &v1alpha1.RedisRestore{ObjectMeta: *b.ObjectMeta.DeepCopy(), Spec: v1alpha1.RedisRestoreSpec{BackupName: "b"}}
	rr.ResourceVersion, rr.UID = "", ""
	r.must(r.Create(t.Context(), rr))
	r.complete("b-restore")
	r.until("the restore is completed", func() bool { return r.is("b", rr) && rr.Status.Phase == v1alpha1.PhaseCompleted })

	stopSecond()
	r.must(r.Delete(t.Context(), b)) // while nobody looks
	r.replica()
	j := &batchv1.Job{}
	r.until("its Job is being deleted", func() bool { return r.is("b", j) && j.DeletionTimestamp != nil })
	r.must(r.Patch(t.Context(), j, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))) // as the garbage collector
	r.complete("b-delete")
	r.until("the record is struck out", func() bool {
		m := &corev1.ConfigMap{}
		return r.is(r.config.Records, m) && m.Data["b"] == "" && !r.is("b-delete", j)
	})
	heard := &eventsv1.EventList{}
	r.until("events are made", func() bool {
		return r.List(t.Context(), heard, client.InNamespace(r.Namespace)) == nil && len(heard.Items) >= 3
	})
	if text := r.log.String(); strings.Contains(text, "forbidden") {
		t.Errorf("a right is missing: %s", text)
	}
}

// The alerts of backups fire while the newest is old and while the newest is not verified, and rest otherwise; the
// dashboards' expressions that ask for backups return data.
func TestBackupsThatAreOldOrNotVerifiedAlert(t *testing.T) {
	t.Parallel()
	r := install(t)
	ops, _ := r.replica()
	values := []string{"--set-json=metrics.prometheusRule.burnRates=[]"}
	alerts, _ := Alerts(t)
	for _, a := range alerts {
		if name := a["alert"].(string); !strings.HasPrefix(name, "ChatBackup") && !strings.HasSuffix(name, "Failing") {
			values = append(values, "--set=metrics.prometheusRule.alerts."+name+"=null")
		}
	}
	w := NewWatch(t, map[string][]string{"backup": {strings.TrimPrefix(ops, "http://")}}, values...)
	verified := func(at time.Time) string {
		return fmt.Sprintf(`{"location": "x", "size": 1000, "verifiedAt": %q}`, at.UTC().Format(time.RFC3339))
	}
	r.until("the CronJob is there", func() bool { return r.is("chat-chat-system", &batchv1.CronJob{}) })
	w.Rests() // its first one is not due yet
	old := time.Now().Add(-3 * time.Hour)
	r.fireAt("1", verified(old), metav1.NewTime(old))
	w.Fires("ChatBackupTooOld")
	r.fire("2", `{"location": "x", "size": 1000}`)
	w.Fires("ChatBackupUnverified")
	r.fire("3", verified(time.Now()))
	w.Rests()
	var all []Expression
	for _, e := range Expressions(t) {
		if strings.Contains(e.Expr, "chat_backup_") {
			all = append(all, e)
		}
	}
	w.Returns(all)
}
