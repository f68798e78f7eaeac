package controller

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// removalRetry is how long after a Job could not delete a backup's data another one tries.
const removalRetry = 10 * time.Minute

// remove clears away what a RedisBackup that is gone left, in this order: its Job, which may still write; its data; its record.
// Each call does one step, and the event of its end leads to the next.
func (r *backups) remove(ctx context.Context, m *corev1.ConfigMap, name string, rec *record) (reconcile.Result, error) {
	job, err := lookup(ctx, r, client.ObjectKey{Namespace: r.Namespace, Name: name}, &batchv1.Job{})
	if err != nil {
		return reconcile.Result{}, err
	}
	if job != nil && r.ours(job) && job.Labels[labelTask] == taskTake {
		// in the foreground: it is there until its pods are not
		return reconcile.Result{}, r.deleteJob(ctx, job, metav1.DeletePropagationForeground)
	}
	eraser, err := lookup(ctx, r, client.ObjectKey{Namespace: r.Namespace, Name: name + "-delete"}, &batchv1.Job{})
	if err != nil {
		return reconcile.Result{}, err
	}
	if eraser != nil && eraser.Labels[labelUID] != string(rec.Backup) { // of an earlier backup of that name
		return reconcile.Result{}, r.deleteJob(ctx, eraser, metav1.DeletePropagationBackground)
	}
	if !rec.Keep {
		if eraser == nil {
			return reconcile.Result{}, r.erase(ctx, m, name, rec)
		}
		end := ended(eraser)
		if end == nil {
			return reconcile.Result{}, nil
		}
		if end.Type == batchv1.JobFailed {
			if wait := end.LastTransitionTime.Add(removalRetry).Sub(r.now()); wait > 0 {
				return reconcile.Result{RequeueAfter: wait}, r.complain(ctx, m, name, eraser, end)
			}
			return reconcile.Result{}, r.deleteJob(ctx, eraser, metav1.DeletePropagationBackground)
		}
		r.events.Eventf(m, eraser, corev1.EventTypeNormal, "Deleted", "DeleteBackup", "the data of the backup %s is deleted", name)
	}
	if err := r.strike(ctx, m, name); err != nil {
		return reconcile.Result{}, err
	}
	if eraser != nil {
		if err := r.deleteJob(ctx, eraser, metav1.DeletePropagationBackground); err != nil {
			return reconcile.Result{}, err
		}
	}
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil // another RedisBackup of that name may wait
}

// sweep deletes the Job of a removal that is on record no more: a process that ended just then leaves it.
func (r *backups) sweep(ctx context.Context, name string) error {
	job, err := lookup(ctx, r, client.ObjectKey{Namespace: r.Namespace, Name: name + "-delete"}, &batchv1.Job{})
	if err != nil || job == nil || !r.ours(job) || job.Labels[labelBackup] != name {
		return err
	}
	return r.deleteJob(ctx, job, metav1.DeletePropagationBackground)
}

// erase makes the Job that deletes the data. It goes with the record, and so with the release.
func (r *backups) erase(ctx context.Context, m *corev1.ConfigMap, name string, rec *record) error {
	_, err := r.createJob(ctx, m, name+"-delete", task{
		kind: taskDelete, args: []string{"backup", "delete", name}, storage: rec.Storage, deadline: removalTime,
		labels: map[string]string{labelBackup: name, labelUID: string(rec.Backup)},
	})
	return err
}

// complain tells why the data could not be deleted.
func (r *backups) complain(ctx context.Context, m *corev1.ConfigMap, name string, job *batchv1.Job, end *batchv1.JobCondition) error {
	rep, err := r.report(ctx, job)
	if err != nil {
		return err
	}
	why := end.Message
	if rep != nil && rep.Error != "" {
		why = rep.Error
	}
	r.events.Eventf(m, job, corev1.EventTypeWarning, "DeleteFailed", "DeleteBackup", "the data of the backup %s is not deleted and will be tried again: %s", name, why)
	return nil
}

// deleteJob deletes the very Job that was read.
func (c *controller) deleteJob(ctx context.Context, job *batchv1.Job, how metav1.DeletionPropagation) error {
	if job.DeletionTimestamp != nil {
		return nil
	}
	return client.IgnoreNotFound(c.Delete(ctx, job, client.Preconditions{UID: &job.UID}, client.PropagationPolicy(how)))
}
