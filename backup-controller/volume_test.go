package controller

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
)

func volume(size string) func(*v1alpha1.RedisBackupScheduleSpec) {
	return func(s *v1alpha1.RedisBackupScheduleSpec) {
		s.Volume = &v1alpha1.Volume{Size: resource.MustParse(size), StorageClassName: new("fast")}
	}
}

func TestAScheduleMakesTheVolumeThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := w.schedule("s", volume("1Gi"))
	w.settle()
	v := read(w, "backups", &corev1.PersistentVolumeClaim{})
	if v == nil || v.Spec.Resources.Requests.Storage().String() != "1Gi" || *v.Spec.StorageClassName != "fast" || v.Labels[labelInstance] != "chat" || len(v.OwnerReferences) > 0 {
		t.Fatalf("%+v", v)
	}
	s = read(w, "s", s)
	volume("2Gi")(&s.Spec)
	w.must(w.Update(t.Context(), s))
	w.settle()
	if again := read(w, "backups", v); again.UID != v.UID || again.Spec.Resources.Requests.Storage().String() != "1Gi" {
		t.Errorf("what is there is changed: %+v", again)
	}
	w.remove(read(w, "s", s))
	w.settle()
	if v := read(w, "backups", v); v == nil || v.DeletionTimestamp != nil {
		t.Error("the backups went with their schedule")
	}
}

// claimOf asks for a volume as somebody else would.
func (w *world) claimOf(size string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "backups", Namespace: w.Namespace}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
	}}
}

// awaitAdmission waits until the API server would take a volume, or forbids it: a while after its quota has changed.
func (w *world) awaitAdmission(v *corev1.PersistentVolumeClaim, taken bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if err = w.Create(w.t.Context(), v.DeepCopy(), client.DryRunAll); taken && err == nil || !taken && apierrors.IsForbidden(err) {
			return
		}
	}
	w.t.Fatalf("after a minute: %v", err)
}

func TestAVolumeOfSomebodyElseIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	theirs := w.claimOf("5Gi")
	w.must(w.Create(t.Context(), theirs))
	w.schedule("s", volume("1Gi"))
	w.settle()
	if v := read(w, "backups", &corev1.PersistentVolumeClaim{}); v.UID != theirs.UID || v.ResourceVersion != theirs.ResourceVersion {
		t.Errorf("%+v", v)
	}
	if s := read(w, "s", &v1alpha1.RedisBackupSchedule{}); !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("%+v", s.Status)
	}
}

// A quota is found out again and again, until there is room; a volume that can't be is not asked for again.
func TestAVolumeThatCannotBeMadeIsTold(t *testing.T) {
	t.Parallel()
	w := setup(t)
	quota := &corev1.ResourceQuota{ObjectMeta: w.meta("quota"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceRequestsStorage: resource.MustParse("1Gi")}}}
	w.must(w.Create(t.Context(), quota))
	quota.Status.Hard, quota.Status.Used = quota.Spec.Hard, corev1.ResourceList{corev1.ResourceRequestsStorage: resource.MustParse("0")}
	w.must(w.Status().Update(t.Context(), quota)) // as its controller does
	w.awaitAdmission(w.claimOf("2Gi"), false)
	s := w.schedule("s", volume("2Gi"))
	if err := w.pass(); err == nil {
		t.Error("it is not tried again")
	}
	s = read(w, "s", s)
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Reason != "NoVolume" || !strings.Contains(c.Message, "exceeded quota") {
		t.Errorf("%+v", s.Status)
	}
	w.must(w.Delete(t.Context(), quota))
	w.awaitAdmission(w.claimOf("2Gi"), true)
	w.settle()
	if s = read(w, "s", s); !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("%+v", s.Status)
	}

	s = w.schedule("none", func(s *v1alpha1.RedisBackupScheduleSpec) {
		volume("0")(s)
		s.Storage.PersistentVolumeClaim = &v1alpha1.ClaimStorage{ClaimName: "none"}
	})
	w.settle()
	s = read(w, "none", s)
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Reason != "NoVolume" || !strings.Contains(c.Message, "must be greater than zero") {
		t.Errorf("%+v", s.Status)
	}
}
