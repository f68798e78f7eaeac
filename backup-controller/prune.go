package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"chat-system/backup-controller/v1alpha1"
)

// prunings lets the RedisBackups go whose data a pruning deleted.
type prunings struct{ *controller }

// Reconcile implements reconcile.Reconciler. It marks the RedisBackups; backups.Reconcile writes on record that their data is gone, then
// deletes them.
func (r *prunings) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	job, err := lookup(ctx, r, req.NamespacedName, &batchv1.Job{})
	if err != nil || job == nil || !r.ours(job) || job.Labels[labelTask] != taskPrune || job.DeletionTimestamp != nil {
		return reconcile.Result{}, err
	}
	end := ended(job)
	if end == nil || end.Type != batchv1.JobComplete || job.Status.StartTime == nil {
		return reconcile.Result{}, nil
	}
	rep, err := r.report(ctx, job)
	if err != nil || rep == nil || rep.Kept == nil || rep.KeptTruncated {
		return reconcile.Result{}, err // who is not named may be kept
	}
	var spec v1alpha1.RedisBackupSpec
	if err := json.Unmarshal([]byte(job.Annotations[annoSpec]), &spec); err != nil {
		return reconcile.Result{}, reconcile.TerminalError(err)
	}
	all := &v1alpha1.RedisBackupList{}
	if err := r.List(ctx, all, client.InNamespace(r.Namespace), client.MatchingLabels{labelInstance: r.Release}); err != nil {
		return reconcile.Result{}, err
	}
	for i := range all.Items {
		b := &all.Items[i]
		if b.DeletionTimestamp != nil || b.Annotations[annoPruned] != "" || slices.Contains(*rep.Kept, b.Name) {
			continue
		}
		// A pruning looks at all that lies in the storage, whoever put it there. What failed left no data: it goes by age, with its schedule's.
		if b.Status.Phase != v1alpha1.PhaseCompleted && (b.Status.Phase != v1alpha1.PhaseFailed || b.Spec.ScheduleName != spec.ScheduleName) {
			continue
		}
		// One that ended later may not have been seen; one elsewhere was not looked at.
		if b.Status.Finished == nil || !b.Status.Finished.Before(job.Status.StartTime) || !equality.Semantic.DeepEqual(b.Spec.Storage, spec.Storage) {
			continue
		}
		patch := fmt.Sprintf(`{"metadata":{"uid":%q,"annotations":{%q:%q}}}`, b.UID, annoPruned, job.Name)
		if err := r.Patch(ctx, b, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
		r.events.Eventf(b, job, corev1.EventTypeNormal, "Pruned", "Prune", "%s did not keep it", job.Name)
	}
	return reconcile.Result{}, nil
}

// setup registers the reconciler.
func (r *prunings) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("prune").
		Watches(&batchv1.Job{}, mapped(func(o client.Object) []string { return []string{o.GetName()} })).
		WithEventFilter(predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()[labelTask] == taskPrune })).
		Complete(r)
}
