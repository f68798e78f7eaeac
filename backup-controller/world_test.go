package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"chat-system/backup-controller/v1alpha1"
	"chat-system/internal/enginetest/kubernetes"
)

func TestMain(m *testing.M) { kubernetes.Main(m) }

var install sync.Once

// world is a namespace of a real API server in which a test plays kubelet, Job controller, CronJob controller and garbage collector.
type world struct {
	t *testing.T
	*controller
	client.WithWatch     // the test's own, past every fault
	passes           int // since it was last at rest
	told             *events.FakeRecorder
}

func setup(t *testing.T) *world {
	t.Helper()
	server := kubernetes.Start(t)
	install.Do(func() {
		if err := server.Install("../charts/chat-system/crds"); err != nil {
			t.Error(err)
		}
	})
	scheme, err := kinds()
	if err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(server.Config)
	config.QPS = -1 // no pauses between calls
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, WithWatch: c, told: events.NewFakeRecorder(10_000)}
	w.controller = &controller{
		Client: c, Place: Place{Namespace: server.Namespace, Release: "chat", Records: "chat-backups", Template: "chat-backup"},
		events: w.told, now: func() time.Time { return noon },
	}
	w.must(c.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: w.Records, Namespace: w.Namespace}}))
	w.must(c.Create(t.Context(), &corev1.PodTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: w.Template, Namespace: w.Namespace},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/name": "chat-system"}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "backup", Image: "redis", Env: []corev1.EnvVar{{Name: "REDIS_URL", Value: "redis://release"}, {Name: "DATABASE_HOST", Value: "db"}},
			}}},
		},
	}))
	return w
}

// noon of a day without meaning.
var noon = time.Date(2030, 5, 6, 12, 0, 0, 0, time.UTC)

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: w.Namespace, Labels: map[string]string{labelInstance: w.Release}}
}

var claim = v1alpha1.Storage{PersistentVolumeClaim: &v1alpha1.ClaimStorage{ClaimName: "backups"}}

// schedule makes one; change may be nil.
func (w *world) schedule(name string, change func(*v1alpha1.RedisBackupScheduleSpec)) *v1alpha1.RedisBackupSchedule {
	w.t.Helper()
	s := &v1alpha1.RedisBackupSchedule{ObjectMeta: w.meta(name), Spec: v1alpha1.RedisBackupScheduleSpec{
		Source: v1alpha1.Source{Storage: claim}, Retention: v1alpha1.Retention{Last: 2},
	}}
	if change != nil {
		change(&s.Spec)
	}
	w.must(w.Create(w.t.Context(), s))
	return s
}

func (w *world) backup(name string, change func(*v1alpha1.RedisBackupSpec)) *v1alpha1.RedisBackup {
	w.t.Helper()
	b := &v1alpha1.RedisBackup{ObjectMeta: w.meta(name), Spec: v1alpha1.RedisBackupSpec{Source: v1alpha1.Source{Storage: claim}}}
	if change != nil {
		change(&b.Spec)
	}
	w.must(w.Create(w.t.Context(), b))
	return b
}

func (w *world) restore(name, of string) *v1alpha1.RedisRestore {
	w.t.Helper()
	rr := &v1alpha1.RedisRestore{ObjectMeta: w.meta(name), Spec: v1alpha1.RedisRestoreSpec{BackupName: of, DryRun: true}}
	w.must(w.Create(w.t.Context(), rr))
	return rr
}

// read gives an object as it is now, nil where it is gone.
func read[T client.Object](w *world, name string, o T) T {
	w.t.Helper()
	found, err := lookup(w.t.Context(), w.WithWatch, client.ObjectKey{Namespace: w.Namespace, Name: name}, o)
	w.must(err)
	return found
}

func (w *world) theJob(name string) *batchv1.Job {
	w.t.Helper()
	j := read(w, name, &batchv1.Job{})
	if j == nil {
		w.t.Fatalf("there is no Job %s; %s", name, w.describe())
	}
	return j
}

func (w *world) theBackup(name string) *v1alpha1.RedisBackup {
	w.t.Helper()
	b := read(w, name, &v1alpha1.RedisBackup{})
	if b == nil {
		w.t.Fatalf("there is no RedisBackup %s; %s", name, w.describe())
	}
	return b
}

// fire plays the CronJob controller: it makes the Job of a time.
func (w *world) fire(cronJob, time string) {
	w.t.Helper()
	c := read(w, cronJob, &batchv1.CronJob{})
	job := &batchv1.Job{ObjectMeta: *c.Spec.JobTemplate.ObjectMeta.DeepCopy(), Spec: *c.Spec.JobTemplate.Spec.DeepCopy()}
	job.Name, job.Namespace = cronJob+"-"+time, w.Namespace
	w.must(ctrl.SetControllerReference(c, job, w.Scheme()))
	w.must(w.Create(w.t.Context(), job))
}

// begin plays Job controller and kubelet: the pod runs.
func (w *world) begin(name string, at time.Time) {
	w.t.Helper()
	j := w.theJob(name)
	j.Status.StartTime, j.Status.Active, j.Status.Ready = new(metav1.NewTime(at)), 1, new(int32(1))
	w.must(w.Status().Update(w.t.Context(), j))
}

// end plays them, too: the pod told something and ended.
func (w *world) end(name string, how batchv1.JobConditionType, at time.Time, message string) {
	w.t.Helper()
	j := w.theJob(name)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-", Namespace: w.Namespace, Labels: map[string]string{jobUIDLabel: string(j.UID)}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "backup", Image: "redis"}}},
	}
	w.must(w.Create(w.t.Context(), pod))
	pod.Status.Phase = corev1.PodSucceeded
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "backup", State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{Message: message, FinishedAt: metav1.NewTime(at)},
	}}}
	w.must(w.Status().Update(w.t.Context(), pod))
	when := metav1.NewTime(at)
	if j.Status.StartTime == nil {
		j.Status.StartTime = &when
	}
	j.Status.Active, j.Status.Ready = 0, new(int32(0))
	condition := func(c batchv1.JobConditionType) batchv1.JobCondition {
		return batchv1.JobCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: when, Reason: "BackoffLimitExceeded", Message: "it failed"}
	}
	if how == batchv1.JobComplete {
		j.Status.Succeeded, j.Status.CompletionTime = 1, &when
		j.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobSuccessCriteriaMet), condition(how)}
	} else {
		j.Status.Failed = 1
		j.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobFailureTarget), condition(how)}
	}
	w.must(w.Status().Update(w.t.Context(), j))
}

// collect plays the garbage collector: what waits for its dependents goes, and what an owner that is gone left.
func (w *world) collect() {
	w.t.Helper()
	owners := map[string]bool{}
	for _, list := range []client.ObjectList{&v1alpha1.RedisBackupList{}, &v1alpha1.RedisBackupScheduleList{}, &v1alpha1.RedisRestoreList{}, &batchv1.CronJobList{}, &corev1.ConfigMapList{}} {
		w.each(list, func(o client.Object) { owners[string(o.GetUID())] = true })
	}
	w.each(&batchv1.JobList{}, func(o client.Object) {
		if owner := metav1.GetControllerOf(o); owner != nil && !owners[string(owner.UID)] {
			w.must(client.IgnoreNotFound(w.Delete(w.t.Context(), o, client.PropagationPolicy(metav1.DeletePropagationBackground))))
		}
		if o.GetDeletionTimestamp() != nil {
			w.must(client.IgnoreNotFound(w.Patch(w.t.Context(), o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))))
		}
	})
	w.each(&batchv1.CronJobList{}, func(o client.Object) {
		if owner := metav1.GetControllerOf(o); owner != nil && !owners[string(owner.UID)] {
			w.must(client.IgnoreNotFound(w.Delete(w.t.Context(), o)))
		}
	})
}

func (w *world) each(list client.ObjectList, do func(client.Object)) {
	w.t.Helper()
	w.must(w.List(w.t.Context(), list, client.InNamespace(w.Namespace)))
	switch l := list.(type) {
	case *v1alpha1.RedisBackupList:
		for i := range l.Items {
			do(&l.Items[i])
		}
	case *v1alpha1.RedisBackupScheduleList:
		for i := range l.Items {
			do(&l.Items[i])
		}
	case *v1alpha1.RedisRestoreList:
		for i := range l.Items {
			do(&l.Items[i])
		}
	case *batchv1.JobList:
		for i := range l.Items {
			do(&l.Items[i])
		}
	case *batchv1.CronJobList:
		for i := range l.Items {
			do(&l.Items[i])
		}
	case *corev1.PersistentVolumeClaimList:
		for i := range l.Items {
			do(&l.Items[i])
		}
	case *corev1.ConfigMapList:
		for i := range l.Items {
			do(&l.Items[i])
		}
	default:
		w.t.Fatalf("%T", list)
	}
}

// settle reconciles everything, again and again, until nothing changes and nothing fails any more.
func (w *world) settle() {
	w.t.Helper()
	for w.passes = range 30 {
		before := w.versions()
		err := w.pass()
		w.collect()
		if err == nil && before == w.versions() {
			return
		}
	}
	w.t.Fatalf("it comes to no rest: %s", w.describe())
}

// pass wakes every reconciler for every name once.
func (w *world) pass() error {
	w.t.Helper()
	var failure error
	wake := func(r reconcile.Reconciler, name string) {
		if _, err := r.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: client.ObjectKey{Namespace: w.Namespace, Name: name}}); err != nil {
			failure = err
		}
	}
	names := map[string]bool{}
	w.each(&v1alpha1.RedisBackupList{}, func(o client.Object) { names[o.GetName()] = true })
	w.each(&batchv1.JobList{}, func(o client.Object) { names[o.GetName()] = true })
	w.each(&batchv1.JobList{}, func(o client.Object) {
		if name := o.GetLabels()[labelBackup]; name != "" {
			names[name] = true
		}
	})
	for name := range read(w, w.Records, &corev1.ConfigMap{}).Data {
		names[name] = true
	}
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	w.each(&v1alpha1.RedisBackupScheduleList{}, func(o client.Object) { wake(&schedules{w.controller}, o.GetName()) })
	for _, name := range sorted {
		wake(&backups{w.controller}, name)
		wake(&prunings{w.controller}, name)
	}
	w.each(&v1alpha1.RedisRestoreList{}, func(o client.Object) { wake(&restores{w.controller}, o.GetName()) })
	return failure
}

var everything = []func() client.ObjectList{
	func() client.ObjectList { return &v1alpha1.RedisBackupScheduleList{} }, func() client.ObjectList { return &v1alpha1.RedisBackupList{} },
	func() client.ObjectList { return &v1alpha1.RedisRestoreList{} }, func() client.ObjectList { return &batchv1.CronJobList{} },
	func() client.ObjectList { return &batchv1.JobList{} }, func() client.ObjectList { return &corev1.ConfigMapList{} },
	func() client.ObjectList { return &corev1.PersistentVolumeClaimList{} },
}

func (w *world) versions() string {
	w.t.Helper()
	var all strings.Builder
	for _, list := range everything {
		w.each(list(), func(o client.Object) { fmt.Fprintf(&all, "%T %s %s\n", o, o.GetUID(), o.GetResourceVersion()) })
	}
	return all.String()
}

// describe tells what there is, without what differs from one run to the next.
func (w *world) describe() string {
	w.t.Helper()
	var all strings.Builder
	for _, list := range everything {
		w.each(list(), func(o client.Object) {
			fmt.Fprintf(&all, "%T %s", o, o.GetName())
			switch o := o.(type) {
			case *v1alpha1.RedisBackupSchedule:
				status := o.Status.DeepCopy()
				for i := range status.Conditions {
					status.Conditions[i].LastTransitionTime = metav1.Time{}
				}
				text, _ := json.Marshal(status)
				fmt.Fprintf(&all, " %s", text)
			case *v1alpha1.RedisBackup:
				text, _ := json.Marshal(o.Status)
				fmt.Fprintf(&all, " %s %s", o.Spec.ScheduleName, text)
			case *v1alpha1.RedisRestore:
				text, _ := json.Marshal(o.Status)
				fmt.Fprintf(&all, " %s", text)
			case *batchv1.Job:
				fmt.Fprintf(&all, " %s %q", o.Labels[labelTask], o.Spec.Template.Spec.Containers[0].Args)
			case *batchv1.CronJob:
				fmt.Fprintf(&all, " %s %v", o.Spec.Schedule, *o.Spec.Suspend)
			case *corev1.PersistentVolumeClaim:
				fmt.Fprintf(&all, " %s", o.Spec.Resources.Requests.Storage())
			case *corev1.ConfigMap:
				for name := range o.Data {
					if r := recordOf(o, name); r != nil {
						fmt.Fprintf(&all, " %s keep=%v", name, r.Keep)
					}
				}
			}
			all.WriteByte('\n')
		})
	}
	return all.String()
}

// events gives those that were made since it was asked last.
func (w *world) heard() (all []string) {
	for {
		select {
		case e := <-w.told.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// remove deletes an object as kubectl does.
func (w *world) remove(o client.Object) {
	w.t.Helper()
	w.must(w.Delete(context.WithoutCancel(w.t.Context()), o, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	w.collect()
}
