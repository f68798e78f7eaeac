package controller

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
)

func TestWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s3 := &v1alpha1.S3Storage{Bucket: "bucket", SecretName: "s"}
	backup := func(name string, s v1alpha1.Storage, change func(*v1alpha1.RedisBackupSpec)) client.Object {
		b := &v1alpha1.RedisBackup{ObjectMeta: w.meta(name), Spec: v1alpha1.RedisBackupSpec{Source: v1alpha1.Source{Storage: s}}}
		if change != nil {
			change(&b.Spec)
		}
		return b
	}
	schedule := func(name string, keep v1alpha1.Retention) client.Object {
		return &v1alpha1.RedisBackupSchedule{ObjectMeta: w.meta(name), Spec: v1alpha1.RedisBackupScheduleSpec{Source: v1alpha1.Source{Storage: claim}, Retention: keep}}
	}
	for want, o := range map[string]client.Object{
		"exactly one of persistentVolumeClaim and s3": backup("both", v1alpha1.Storage{PersistentVolumeClaim: claim.PersistentVolumeClaim, S3: s3}, nil),
		"spec.storage: Invalid value":                 backup("none", v1alpha1.Storage{}, nil),
		"at most 56 characters":                       backup(strings.Repeat("a", 57), claim, nil),
		"must not end with -delete":                   backup("a-delete", claim, nil),
		"lower-case letters, digits and hyphens":      backup("a.b", claim, nil),
		"spec.redis.url":                              backup("password", claim, func(s *v1alpha1.RedisBackupSpec) { s.Redis = &v1alpha1.Redis{URL: "redis://:secret@r"} }),
		"spec.method: Unsupported value":              backup("method", claim, func(s *v1alpha1.RedisBackupSpec) { s.Method = "copy" }),
		"spec.deadlineSeconds":                        backup("deadline", claim, func(s *v1alpha1.RedisBackupSpec) { s.DeadlineSeconds = 5 }),
		"one of last, hourly, daily and weekly":       schedule("keeps-none", v1alpha1.Retention{Daily: 0, Hourly: 0, Last: 0, Weekly: 0}),
		"at most 46 characters":                       schedule(strings.Repeat("a", 47), v1alpha1.Retention{Last: 1}),
		"volume needs storage.persistentVolumeClaim": &v1alpha1.RedisBackupSchedule{ObjectMeta: w.meta("s3"), Spec: v1alpha1.RedisBackupScheduleSpec{
			Source: v1alpha1.Source{Storage: v1alpha1.Storage{S3: s3}}, Volume: &v1alpha1.Volume{Size: resource.MustParse("1Gi")},
		}},
		"must not end with -delete, -restore or -prune: so": schedule("a-prune", v1alpha1.Retention{Last: 1}),
	} {
		if strings.HasPrefix(want, "one of last") { // an empty retention gets the defaults: zeros have to be said
			u := raw(w, o, map[string]any{"last": int64(0), "hourly": int64(0), "daily": int64(0), "weekly": int64(0)})
			o = u
		}
		if err := w.Create(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestABackupStaysWhatItIs(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.backup("b", nil)
	for name, change := range map[string]func(*v1alpha1.RedisBackup){
		"storage":      func(b *v1alpha1.RedisBackup) { b.Spec.Storage.PersistentVolumeClaim.ClaimName = "another" },
		"redis":        func(b *v1alpha1.RedisBackup) { b.Spec.Redis = &v1alpha1.Redis{URL: "redis://another"} },
		"scheduleName": func(b *v1alpha1.RedisBackup) { b.Spec.ScheduleName = "s" },
		"method":       func(b *v1alpha1.RedisBackup) { b.Spec.Method = v1alpha1.MethodDump },
	} {
		b := w.theBackup("b")
		change(b)
		if err := w.Update(t.Context(), b); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "can't be changed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := w.theBackup("b")
	b.Spec.Retain = true
	w.must(w.Update(t.Context(), b))
	rr := w.restore("r", "b")
	rr.Spec.DryRun = false
	if err := w.Update(t.Context(), rr); err == nil || !strings.Contains(err.Error(), "runs once") {
		t.Error(err)
	}
}

// raw is a schedule with a retention as a user writes it, zeros and all.
func raw(w *world, o client.Object, retention map[string]any) client.Object {
	w.t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	w.must(err)
	w.must(unstructured.SetNestedMap(fields, retention, "spec", "retention"))
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("RedisBackupSchedule"))
	return u
}
