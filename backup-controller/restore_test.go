package controller

import (
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"

	"chat-system/backup-controller/v1alpha1"
)

const restored = `{"stored":5,"alreadyStored":7,"givenUp":2,"deadLettered":1,"partitions":16,"closedNs":1200000000,"dryRun":true}`

func TestARestoreWaitsForItsBackupAndRunsOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.restore("r", "b")
	w.settle()
	status := func() v1alpha1.RedisRestoreStatus { return read(w, "r", &v1alpha1.RedisRestore{}).Status }
	if s := status(); s.Phase != v1alpha1.PhasePending || s.Reason != reasonWaiting || s.Message != "there is no RedisBackup b" {
		t.Errorf("%+v", s)
	}
	w.backup("b", nil)
	w.settle()
	if s := status(); s.Message != "the RedisBackup b is not completed" || read(w, "r-restore", &batchv1.Job{}) != nil {
		t.Errorf("%+v", s)
	}
	w.end("b", batchv1.JobComplete, noon, taken)
	w.settle()
	pod := w.theJob("r-restore").Spec.Template.Spec
	if !slices.Equal(pod.Containers[0].Args, []string{"restore", "b", "--dry-run"}) || pod.Volumes[0].PersistentVolumeClaim.ClaimName != "backups" {
		t.Errorf("%+v", pod)
	}
	w.begin("r-restore", noon)
	w.settle()
	if s := status(); s.Phase != v1alpha1.PhaseRunning || s.Reason != "" {
		t.Errorf("%+v", s)
	}
	w.end("r-restore", batchv1.JobComplete, noon, restored)
	w.settle()
	if s := status(); s.Phase != v1alpha1.PhaseCompleted || s.Stored != 5 || s.AlreadyStored != 7 || s.GivenUp != 2 || s.DeadLettered != 1 || s.Partitions != 16 || s.ClosedSeconds != 2 {
		t.Errorf("%+v", s)
	}
	w.remove(w.theJob("r-restore"))
	w.settle()
	if read(w, "r-restore", &batchv1.Job{}) != nil {
		t.Error("it runs again")
	}
}

func TestARestoreThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		play   func(*world)
		reason string
	}{
		"backup": {func(w *world) { w.end("b", batchv1.JobFailed, noon, "") }, "BackupFailed"},
		"job": {func(w *world) {
			w.end("b", batchv1.JobComplete, noon, taken)
			w.settle()
			w.end("r-restore", batchv1.JobFailed, noon, `{"error":"no database","reason":"Database"}`)
		}, "Database"},
		"gone": {func(w *world) {
			w.end("b", batchv1.JobComplete, noon, taken)
			w.settle()
			w.remove(w.theJob("r-restore"))
		}, reasonGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.backup("b", nil)
			w.restore("r", "b")
			w.settle()
			test.play(w)
			w.settle()
			if s := read(w, "r", &v1alpha1.RedisRestore{}).Status; s.Phase != v1alpha1.PhaseFailed || s.Reason != test.reason {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestARestoreOfWhatNoRedisBackupNames(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rr := &v1alpha1.RedisRestore{ObjectMeta: w.meta("r"), Spec: v1alpha1.RedisRestoreSpec{BackupName: "lost", Storage: &claim}}
	w.must(w.Create(t.Context(), rr))
	w.settle()
	if args := w.theJob("r-restore").Spec.Template.Spec.Containers[0].Args; strings.Join(args, " ") != "restore lost" {
		t.Error(args)
	}
}
