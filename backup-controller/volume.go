package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
)

// ensureVolume makes the claim that a schedule asks for, where there is none of its name. It has no owner: what is in it outlives
// the schedule and the release. One that is there stays as it is, whoever made it.
//
// It is made here and not by the chart, because many storage classes bind a volume when its first pod comes, which is that of the
// first backup, and helm install --wait would wait until then.
func (r *schedules) ensureVolume(ctx context.Context, s *v1alpha1.RedisBackupSchedule) error {
	claim, want := s.Spec.Storage.PersistentVolumeClaim, s.Spec.Volume
	if claim == nil || want == nil {
		return nil
	}
	have, err := lookup(ctx, r, client.ObjectKey{Namespace: r.Namespace, Name: claim.ClaimName}, &corev1.PersistentVolumeClaim{})
	if err != nil || have != nil {
		return err
	}
	volume := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name: claim.ClaimName, Namespace: r.Namespace, Labels: map[string]string{labelInstance: r.Release, labelSchedule: s.Name},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: want.StorageClassName,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: want.Size}},
		},
	}
	if err := r.Create(ctx, volume); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the PersistentVolumeClaim %s: %w", claim.ClaimName, err)
	}
	return nil
}
