package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"chat-system/backup-controller/v1alpha1"
)

// late is how many seconds after its time a Job may still begin: what the cluster missed for longer comes with the next one.
const late = 1800

// schedules keeps the CronJobs of each RedisBackupSchedule, and counts its RedisBackups.
type schedules struct{ *controller }

// errTaken says that a CronJob of the wanted name is another's.
var errTaken = errors.New("there is a CronJob of that name, and it is not this schedule's")

// Reconcile implements reconcile.Reconciler.
func (r *schedules) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	s, err := lookup(ctx, r, req.NamespacedName, &v1alpha1.RedisBackupSchedule{})
	if err != nil || s == nil || !r.ours(s) || s.DeletionTimestamp != nil {
		return reconcile.Result{}, err
	}
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Scheduled", Message: "its CronJobs are as it wants them"}
	if s.Spec.Suspend {
		ready.Reason, ready.Message = "Suspended", "its CronJobs are suspended"
	}
	failure := r.ensureVolume(ctx, s)
	if failure != nil {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "NoVolume", failure.Error()
	}
	for _, job := range []func(context.Context, *v1alpha1.RedisBackupSchedule) (*batchv1.CronJob, error){r.taking, r.pruning} {
		want, err := job(ctx, s)
		if err == nil {
			err = r.apply(ctx, s, want)
		}
		switch {
		case errors.Is(err, errTaken):
			ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, reasonTaken, err.Error()
		case refused(err):
			ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "Invalid", err.Error()
		case err != nil:
			return reconcile.Result{}, err
		}
	}
	after := s.DeepCopy()
	ready.ObservedGeneration = s.Generation
	news := meta.SetStatusCondition(&after.Status.Conditions, ready)
	after.Status.ObservedGeneration = s.Generation
	after.Status.Next = r.next(s)
	all := &v1alpha1.RedisBackupList{}
	if err := r.List(ctx, all, client.InNamespace(r.Namespace), client.MatchingLabels{labelInstance: r.Release}); err != nil {
		return reconcile.Result{}, err
	}
	count(after, all.Items)
	if _, err := r.patchStatus(ctx, s, after, s.Status, after.Status); err != nil {
		return reconcile.Result{}, err
	}
	if refused(failure) {
		failure = nil // until somebody edits the schedule
	}
	if news && ready.Status == metav1.ConditionFalse {
		r.events.Eventf(s, nil, corev1.EventTypeWarning, ready.Reason, "Schedule", "%s", ready.Message)
	}
	if failure != nil || after.Status.Next == nil {
		return reconcile.Result{}, failure
	}
	return reconcile.Result{RequeueAfter: max(after.Status.Next.Sub(r.now()), 0) + time.Second}, nil // then the next is another
}

// taking is the CronJob that takes backups. Its Jobs carry the spec that their RedisBackups will have.
func (r *schedules) taking(ctx context.Context, s *v1alpha1.RedisBackupSchedule) (*batchv1.CronJob, error) {
	t := takeTask(s.Spec.Source)
	t.labels = map[string]string{labelSchedule: s.Name}
	job, err := r.cronJob(ctx, s, s.Name, s.Spec.Schedule, t)
	if err == nil {
		job.Spec.SuccessfulJobsHistoryLimit = new(max(s.Spec.SuccessfulJobsHistoryLimit, 1)) // what is not yet written down has to be there
		job.Spec.FailedJobsHistoryLimit = new(max(s.Spec.FailedJobsHistoryLimit, 1))
	}
	return job, err
}

// pruning is the CronJob that deletes what the retention does not keep.
func (r *schedules) pruning(ctx context.Context, s *v1alpha1.RedisBackupSchedule) (*batchv1.CronJob, error) {
	t := pruneTask(s.Spec.Source, s.Spec.Retention)
	t.labels = map[string]string{labelSchedule: s.Name}
	job, err := r.cronJob(ctx, s, s.Name+"-prune", s.Spec.PruneSchedule, t)
	if err == nil {
		job.Spec.SuccessfulJobsHistoryLimit, job.Spec.FailedJobsHistoryLimit = new(int32(1)), new(int32(1))
	}
	return job, err
}

func (r *schedules) cronJob(ctx context.Context, s *v1alpha1.RedisBackupSchedule, name, when string, t task) (*batchv1.CronJob, error) {
	backup, err := json.Marshal(v1alpha1.RedisBackupSpec{Source: s.Spec.Source, ScheduleName: s.Name})
	if err != nil {
		return nil, err
	}
	spec, err := r.jobSpec(ctx, t)
	if err != nil {
		return nil, err
	}
	job := &batchv1.CronJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "CronJob"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.Namespace, Labels: r.labels(t)},
		Spec: batchv1.CronJobSpec{
			Schedule: when, ConcurrencyPolicy: batchv1.ForbidConcurrent, Suspend: new(s.Spec.Suspend), StartingDeadlineSeconds: new(int64(late)),
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: r.labels(t), Annotations: map[string]string{annoSpec: string(backup)}},
				Spec:       spec,
			},
		},
	}
	if s.Spec.TimeZone != "" {
		job.Spec.TimeZone = &s.Spec.TimeZone
	}
	return job, controllerutil.SetControllerReference(s, job, r.Scheme(), owned)
}

// apply makes the CronJob what is wanted; one that is so already stays untouched.
func (r *schedules) apply(ctx context.Context, s *v1alpha1.RedisBackupSchedule, want *batchv1.CronJob) error {
	have, err := lookup(ctx, r, client.ObjectKeyFromObject(want), &batchv1.CronJob{})
	if err != nil {
		return err
	}
	if have != nil && !metav1.IsControlledBy(have, s) {
		return fmt.Errorf("%s: %w", want.Name, errTaken)
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(want)
	if err != nil {
		return err
	}
	delete(fields, "status")
	return r.Apply(ctx, client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: fields}), client.FieldOwner(fieldOwner), client.ForceOwnership)
}

// next is when the next backup is due; nil where it is suspended, or is no schedule.
func (r *schedules) next(s *v1alpha1.RedisBackupSchedule) *metav1.Time {
	if s.Spec.Suspend {
		return nil
	}
	return dueAfter(s, r.now())
}

// dueAfter is when the first backup after a time is due, as the CronJob reckons; nil where it is no schedule.
func dueAfter(s *v1alpha1.RedisBackupSchedule, at time.Time) *metav1.Time {
	when, err := cron.ParseStandard(s.Spec.Schedule)
	if err != nil {
		return nil
	}
	zone, err := time.LoadLocation(s.Spec.TimeZone)
	if err != nil {
		return nil
	}
	return new(metav1.NewTime(when.Next(at.In(zone)).UTC()))
}

// count sets what the status says of the schedule's RedisBackups. A result stays when its RedisBackup goes.
func count(s *v1alpha1.RedisBackupSchedule, all []v1alpha1.RedisBackup) {
	status := &s.Status
	counted := status.LastFailure
	status.Backups = 0
	for i := range all {
		b := &all[i]
		if b.Spec.ScheduleName != s.Name {
			continue
		}
		status.Backups++
		switch b.Status.Phase {
		case v1alpha1.PhaseCompleted:
			if newer(b, status.LastSuccess) {
				status.LastSuccess = result(b)
			}
			if v := b.Status.VerifiedAt; v != nil && (status.LastVerified == nil || status.LastVerified.Before(v)) {
				status.LastVerified = v
			}
		case v1alpha1.PhaseFailed:
			if newer(b, counted) { // else it is among them
				status.Failures++
			}
			if newer(b, status.LastFailure) {
				status.LastFailure = result(b)
			}
		}
	}
	good := metav1.Condition{Type: v1alpha1.ConditionSucceeding, Status: metav1.ConditionUnknown, Reason: "NoBackup", Message: "no backup has ended yet"}
	ok, bad := status.LastSuccess, status.LastFailure
	switch {
	case ok != nil && (bad == nil || bad.Finished.Before(&ok.Finished)):
		good.Status, good.Reason, good.Message = metav1.ConditionTrue, "Completed", ok.Name+" is completed"
	case bad != nil:
		good.Status, good.Reason, good.Message = metav1.ConditionFalse, "Failed", bad.Name+" failed: "+bad.Message
	}
	good.ObservedGeneration = s.Generation
	meta.SetStatusCondition(&status.Conditions, good)
}

// newer says whether a backup ended after the one of a result. Those of one second are told apart by their names, which count up.
func newer(b *v1alpha1.RedisBackup, than *v1alpha1.BackupResult) bool {
	at := b.Status.Finished
	if at == nil {
		return false
	}
	return than == nil || than.Finished.Before(at) || (than.Finished.Equal(at) && than.Name < b.Name)
}

func result(b *v1alpha1.RedisBackup) *v1alpha1.BackupResult {
	r := &v1alpha1.BackupResult{
		Name: b.Name, Finished: *b.Status.Finished, Size: b.Status.Size, Reason: b.Status.Reason, Message: b.Status.Message,
	}
	if b.Status.Started != nil {
		r.DurationSeconds = int64(b.Status.Finished.Sub(b.Status.Started.Time).Seconds())
	}
	return r
}

// every schedule is concerned when what all Jobs have in common changes.
func (r *schedules) every(ctx context.Context, _ client.Object) (requests []reconcile.Request) {
	all := &v1alpha1.RedisBackupScheduleList{}
	if r.List(ctx, all, client.InNamespace(r.Namespace), client.MatchingLabels{labelInstance: r.Release}) != nil {
		return nil // each is looked at once in an hour
	}
	for i := range all.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&all.Items[i])})
	}
	return requests
}

// setup registers the reconciler.
func (r *schedules) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("schedule").
		For(&v1alpha1.RedisBackupSchedule{}).
		Owns(&batchv1.CronJob{}).
		Watches(&corev1.PodTemplate{}, handler.EnqueueRequestsFromMapFunc(r.every)).
		Watches(&v1alpha1.RedisBackup{}, mapped(func(o client.Object) []string {
			if name := o.(*v1alpha1.RedisBackup).Spec.ScheduleName; name != "" {
				return []string{name}
			}
			return nil
		})).
		Complete(r)
}
