package controller

import (
	"context"
	"encoding/json"
	"errors"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"chat-system/backup-controller/v1alpha1"
)

// backups brings what goes by a backup's name into agreement: the RedisBackup, its Job, its record and its data.
type backups struct{ *controller }

// Reconcile implements reconcile.Reconciler.
func (r *backups) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	b, err := lookup(ctx, r, req.NamespacedName, &v1alpha1.RedisBackup{})
	if err != nil {
		return reconcile.Result{}, err
	}
	m, err := r.records(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	rec := recordOf(m, req.Name)
	switch {
	case rec != nil && (b == nil || b.UID != rec.Backup):
		return r.remove(ctx, m, req.Name, rec)
	case b == nil:
		return reconcile.Result{}, errors.Join(r.sweep(ctx, req.Name), r.adopt(ctx, req.Name))
	case !r.ours(b) || b.DeletionTimestamp != nil: // somebody else's finalizer: it is still there
		return reconcile.Result{}, nil
	}
	if err := r.putRecord(ctx, m, b); err != nil {
		return reconcile.Result{}, err
	}
	if b.Annotations[annoPruned] != "" {
		return reconcile.Result{}, client.IgnoreNotFound(r.Delete(ctx, b, client.Preconditions{UID: &b.UID}))
	}
	if b.Status.Phase.Final() {
		return reconcile.Result{}, nil
	}
	after := b.DeepCopy()
	if err := r.follow(ctx, after); err != nil {
		return reconcile.Result{}, err
	}
	if changed, err := r.patchStatus(ctx, b, after, b.Status, after.Status); err != nil || !changed {
		return reconcile.Result{}, err
	}
	r.tell(after, b.Status.Run, after.Status.Run)
	return reconcile.Result{}, nil
}

// adopt makes the RedisBackup of a schedule's Job.
func (r *backups) adopt(ctx context.Context, name string) error {
	job, err := lookup(ctx, r, client.ObjectKey{Namespace: r.Namespace, Name: name}, &batchv1.Job{})
	if err != nil || job == nil || job.DeletionTimestamp != nil || !r.ours(job) || !ofCronJob(job) {
		return err
	}
	b := &v1alpha1.RedisBackup{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.Namespace, Labels: map[string]string{
		labelInstance: r.Release, labelSchedule: job.Labels[labelSchedule],
	}}}
	if err := json.Unmarshal([]byte(job.Annotations[annoSpec]), &b.Spec); err != nil {
		return reconcile.TerminalError(err)
	}
	if err := r.Create(ctx, b); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// ofCronJob says whether a schedule's CronJob made the Job, to take a backup.
func ofCronJob(job *batchv1.Job) bool {
	owner := metav1.GetControllerOf(job)
	return owner != nil && owner.Kind == "CronJob" && job.Labels[labelTask] == taskTake && owner.Name == job.Labels[labelSchedule]
}

// follow makes the Job of a backup that was asked for by hand, and sets the status to what the Job tells.
func (r *backups) follow(ctx context.Context, b *v1alpha1.RedisBackup) error {
	job, err := lookup(ctx, r, client.ObjectKeyFromObject(b), &batchv1.Job{})
	if err != nil {
		return err
	}
	switch {
	case job == nil && b.Status.Phase == "":
		if job, err = r.createJob(ctx, b, b.Name, takeTask(b.Spec.Source)); err != nil {
			return err
		}
		r.events.Eventf(b, job, corev1.EventTypeNormal, "JobCreated", "CreateJob", "the Job %s takes the backup", job.Name)
	case job == nil:
		b.Status.Run = r.failed(b.Status.Run, reasonGone, "its Job was deleted before it told how it ended")
		return nil
	case !metav1.IsControlledBy(job, b) && (!ofCronJob(job) || job.Labels[labelSchedule] != b.Spec.ScheduleName):
		b.Status.Run = r.failed(b.Status.Run, reasonTaken, "there is another Job of its name")
		return nil
	}
	var rep *report
	if ended(job) != nil {
		if rep, err = r.report(ctx, job); err != nil {
			return err
		}
	}
	b.Status.Run = observe(b.Status.Run, job, rep)
	if rep == nil {
		return nil
	}
	s := &b.Status
	s.Location, s.Method, s.Consistent, s.RedisVersion = rep.Location, rep.Method, rep.Consistent, rep.RedisVersion
	s.Size, s.SHA256, s.Keys, s.Entries = rep.Size, rep.SHA256, rep.Keys, rep.Entries
	if rep.VerifiedAt != nil {
		s.VerifiedAt = new(metav1.NewTime(*rep.VerifiedAt).Rfc3339Copy())
	}
	return nil
}

// setup registers the reconciler.
func (r *backups) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("backup").
		For(&v1alpha1.RedisBackup{}).
		Watches(&batchv1.Job{}, mapped(func(o client.Object) []string {
			switch o.GetLabels()[labelTask] {
			case taskTake:
				return []string{o.GetName()}
			case taskDelete:
				return []string{o.GetLabels()[labelBackup]}
			}
			return nil
		})).
		// What was deleted while the controller was away is on record.
		Watches(&corev1.ConfigMap{}, mapped(func(o client.Object) (names []string) {
			for name := range o.(*corev1.ConfigMap).Data {
				names = append(names, name)
			}
			return names
		})).
		Complete(r)
}
