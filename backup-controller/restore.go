package controller

import (
	"context"
	"math"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"chat-system/backup-controller/v1alpha1"
)

// restores gives each RedisRestore its Job.
type restores struct{ *controller }

// Reconcile implements reconcile.Reconciler.
func (r *restores) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	rr, err := lookup(ctx, r, req.NamespacedName, &v1alpha1.RedisRestore{})
	if err != nil || rr == nil || !r.ours(rr) || rr.DeletionTimestamp != nil || rr.Status.Phase.Final() {
		return reconcile.Result{}, err
	}
	after := rr.DeepCopy()
	if err := r.follow(ctx, after); err != nil {
		return reconcile.Result{}, err
	}
	changed, err := r.patchStatus(ctx, rr, after, rr.Status, after.Status)
	if err != nil {
		return reconcile.Result{}, err
	}
	if changed {
		r.tell(after, rr.Status.Run, after.Status.Run)
	}
	return reconcile.Result{}, nil
}

// follow makes the Job once the backup is there, and sets the status to what the Job tells.
func (r *restores) follow(ctx context.Context, rr *v1alpha1.RedisRestore) error {
	s := &rr.Status
	job, err := lookup(ctx, r, client.ObjectKey{Namespace: r.Namespace, Name: rr.Name + "-restore"}, &batchv1.Job{})
	if err != nil {
		return err
	}
	switch {
	case job == nil && (s.Phase == "" || s.Reason == reasonWaiting):
		storage, err := r.storage(ctx, rr)
		if err != nil || storage == nil {
			return err
		}
		if job, err = r.start(ctx, rr, *storage); err != nil {
			return err
		}
	case job == nil:
		s.Run = r.failed(s.Run, reasonGone, "its Job was deleted before it told how it ended")
		return nil
	case !metav1.IsControlledBy(job, rr):
		s.Run = r.failed(s.Run, reasonTaken, "there is another Job of the name "+job.Name)
		return nil
	}
	var rep *report
	if ended(job) != nil {
		if rep, err = r.report(ctx, job); err != nil {
			return err
		}
	}
	s.Run = observe(s.Run, job, rep)
	if rep != nil {
		s.Stored, s.AlreadyStored, s.GivenUp, s.DeadLettered = rep.Stored, rep.AlreadyStored, rep.GivenUp, rep.DeadLettered
		s.Partitions, s.ClosedSeconds = rep.Partitions, int64(math.Ceil(time.Duration(rep.ClosedNs).Seconds()))
	}
	return nil
}

// storage says where the backup lies; nil where the status says why there is none yet, or never.
func (r *restores) storage(ctx context.Context, rr *v1alpha1.RedisRestore) (*v1alpha1.Storage, error) {
	if rr.Spec.Storage != nil {
		return rr.Spec.Storage, nil
	}
	name := rr.Spec.BackupName
	b, err := lookup(ctx, r, client.ObjectKey{Namespace: r.Namespace, Name: name}, &v1alpha1.RedisBackup{})
	wait := func(why string) {
		rr.Status.Run = v1alpha1.Run{Phase: v1alpha1.PhasePending, Reason: reasonWaiting, Message: why}
	}
	switch {
	case err != nil:
		return nil, err
	case b == nil || !r.ours(b):
		wait("there is no RedisBackup " + name)
	case b.Status.Phase == v1alpha1.PhaseFailed:
		rr.Status.Run = r.failed(rr.Status.Run, "BackupFailed", "the RedisBackup "+name+" failed")
	case b.Status.Phase != v1alpha1.PhaseCompleted:
		wait("the RedisBackup " + name + " is not completed")
	default:
		return &b.Spec.Storage, nil
	}
	return nil, nil //nolint:nilnil // the status says it
}

// start makes the Job.
func (r *restores) start(ctx context.Context, rr *v1alpha1.RedisRestore, storage v1alpha1.Storage) (*batchv1.Job, error) {
	args := []string{"restore", rr.Spec.BackupName}
	if rr.Spec.DryRun {
		args = append(args, "--dry-run")
	}
	job, err := r.createJob(ctx, rr, rr.Name+"-restore", task{kind: taskRestore, args: args, storage: storage, deadline: rr.Spec.DeadlineSeconds})
	if err != nil {
		return nil, err
	}
	r.events.Eventf(rr, job, corev1.EventTypeNormal, "JobCreated", "CreateJob", "the Job %s restores the backup", job.Name)
	return job, nil
}

// setup registers the reconciler.
func (r *restores) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("restore").
		For(&v1alpha1.RedisRestore{}).
		Owns(&batchv1.Job{}).
		Watches(&v1alpha1.RedisBackup{}, mappedTo(r, func(b client.Object, rr *v1alpha1.RedisRestore) bool {
			return rr.Spec.BackupName == b.GetName() && !rr.Status.Phase.Final()
		})).
		Complete(r)
}
