package controller

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
)

// Reasons that the controller gives; others come from the program's report or from the Job.
const (
	reasonGone    = "JobGone"
	reasonTaken   = "NameTaken"
	reasonMute    = "NoReport"
	reasonWaiting = "WaitingForBackup"
)

// observe says how a Job does that is there.
func observe(old v1alpha1.Run, job *batchv1.Job, rep *report) v1alpha1.Run {
	run := v1alpha1.Run{Phase: v1alpha1.PhasePending, Started: job.Status.StartTime}
	end := ended(job)
	switch {
	case end == nil:
		if old.Phase == v1alpha1.PhaseRunning || (job.Status.Ready != nil && *job.Status.Ready > 0) {
			run.Phase = v1alpha1.PhaseRunning
		}
	case end.Type == batchv1.JobComplete:
		run.Phase, run.Finished = v1alpha1.PhaseCompleted, job.Status.CompletionTime
		if rep == nil {
			run.Reason, run.Message = reasonMute, "its pod is gone, and what it told with it"
		}
	default:
		run.Phase, run.Finished, run.Reason, run.Message = v1alpha1.PhaseFailed, new(end.LastTransitionTime), end.Reason, end.Message
		if rep != nil && rep.Error != "" {
			run.Message = rep.Error
			if rep.Reason != "" {
				run.Reason = rep.Reason
			}
		}
	}
	return run
}

// failed is a run that ends without a Job having told anything.
func (c *controller) failed(old v1alpha1.Run, reason, message string) v1alpha1.Run {
	old.Phase, old.Reason, old.Message, old.Finished = v1alpha1.PhaseFailed, reason, message, new(metav1.NewTime(c.now()))
	return old
}

// patchStatus writes a status that differs from what is there, and nothing otherwise: the controller would wake itself. Where the
// object has changed meanwhile it fails, and the next pass looks again.
func (c *controller) patchStatus(ctx context.Context, before, after client.Object, old, status any) (changed bool, err error) {
	if equality.Semantic.DeepEqual(old, status) {
		return false, nil
	}
	err = c.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return err == nil, err
}

// tell makes an event of a phase that is new.
func (c *controller) tell(o client.Object, old, run v1alpha1.Run) {
	switch {
	case old.Phase == run.Phase:
	case run.Phase == v1alpha1.PhaseFailed:
		c.events.Eventf(o, nil, corev1.EventTypeWarning, "Failed", "Run", "%s: %s", run.Reason, run.Message)
	case run.Phase == v1alpha1.PhaseRunning, run.Phase == v1alpha1.PhaseCompleted:
		c.events.Eventf(o, nil, corev1.EventTypeNormal, string(run.Phase), "Run", "the job is %s", run.Phase)
	}
}
