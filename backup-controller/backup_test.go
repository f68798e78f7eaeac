package controller

import (
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"chat-system/backup-controller/v1alpha1"
)

const taken = `{"name":"x","location":"/backups/x","method":"replication","consistent":true,"redisVersion":"8.0.3","size":7000,
	"shards":[{"file":"0.rdb","size":7000,"sha256":"abc"}],"keys":12,"entries":34,"partitions":16,"verifiedAt":"2030-05-06T11:00:20.5Z"}`

func TestABackupByHandRunsAndTellsWhatItDid(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.backup("before-upgrade", nil)
	w.settle()
	if phase := w.theBackup(b.Name).Status.Phase; phase != v1alpha1.PhasePending {
		t.Error(phase)
	}
	job := w.theJob(b.Name)
	pod := job.Spec.Template.Spec
	env := map[string]string{}
	for _, e := range pod.Containers[0].Env {
		env[e.Name] = e.Value
	}
	if env["BACKUP_STORAGE"] != "/backups" || env["BACKUP_METHOD"] != "auto" || env["BACKUP_VERIFY"] != "true" || env["BACKUP_TIMEOUT"] != "1620s" || env["REDIS_URL"] != "redis://release" {
		t.Error(env)
	}
	if *pod.AutomountServiceAccountToken || pod.Volumes[0].PersistentVolumeClaim.ClaimName != "backups" || *job.Spec.ActiveDeadlineSeconds != 1800 {
		t.Errorf("%+v", job.Spec)
	}
	w.begin(b.Name, noon.Add(-time.Minute))
	w.settle()
	if phase := w.theBackup(b.Name).Status.Phase; phase != v1alpha1.PhaseRunning {
		t.Error(phase)
	}
	w.end(b.Name, batchv1.JobComplete, noon, taken)
	w.settle()
	s := w.theBackup(b.Name).Status
	if s.Phase != v1alpha1.PhaseCompleted || s.Size != 7000 || s.SHA256 != "abc" || s.Keys != 12 || s.Entries != 34 || s.Location != "/backups/x" ||
		s.Consistent == nil || !*s.Consistent || s.VerifiedAt == nil || s.Started.Unix() != noon.Add(-time.Minute).Unix() || s.Finished.Unix() != noon.Unix() {
		t.Errorf("%+v", s)
	}
	if all := strings.Join(w.heard(), "\n"); !strings.Contains(all, "JobCreated") || strings.Count(all, "Normal Running") != 1 || strings.Count(all, "Normal Completed") != 1 {
		t.Error(all)
	}
	w.remove(w.theJob(b.Name)) // what was told stays told
	w.settle()
	if phase := w.theBackup(b.Name).Status.Phase; phase != v1alpha1.PhaseCompleted || read(w, b.Name, &batchv1.Job{}) != nil {
		t.Error(phase)
	}
}

func TestABackupThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		play            func(w *world)
		reason, message string
	}{
		"told": {func(w *world) {
			w.end("b", batchv1.JobFailed, noon, `{"error":"Redis refuses the password","reason":"Auth"}`)
		}, "Auth", "Redis refuses the password"},
		"mute": {func(w *world) { w.end("b", batchv1.JobFailed, noon, "") }, "BackoffLimitExceeded", "it failed"},
		"gone": {func(w *world) { w.remove(w.theJob("b")) }, reasonGone, "its Job was deleted before it told how it ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.backup("b", nil)
			w.settle()
			test.play(w)
			w.settle()
			s := w.theBackup("b").Status
			if s.Phase != v1alpha1.PhaseFailed || s.Reason != test.reason || s.Message != test.message || s.Finished == nil {
				t.Errorf("%+v", s)
			}
			if all := w.heard(); !slices.ContainsFunc(all, func(e string) bool { return strings.HasPrefix(e, "Warning Failed "+test.reason) }) {
				t.Error(all)
			}
		})
	}
}

func TestABackupTakesNoJobOfAnother(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spec, err := w.jobSpec(t.Context(), takeTask(v1alpha1.Source{Storage: claim, DeadlineSeconds: 60}))
	w.must(err)
	w.must(w.Create(t.Context(), &batchv1.Job{ObjectMeta: w.meta("b"), Spec: spec}))
	w.backup("b", nil)
	w.settle()
	if s := w.theBackup("b").Status; s.Phase != v1alpha1.PhaseFailed || s.Reason != reasonTaken {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsOfAnotherReleaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.backup("b", nil)
	w.schedule("s", nil)
	w.restore("r", "b")
	w.Release = "another"
	w.settle()
	if jobs := w.describe(); strings.Contains(jobs, "v1.Job") || strings.Contains(jobs, "v1.CronJob") || w.theBackup("b").Status.Phase != "" {
		t.Error(jobs)
	}
}

func TestAnS3BackupOfAnotherRedis(t *testing.T) {
	t.Parallel()
	w := setup(t)
	template := read(w, w.Template, &corev1.PodTemplate{})
	c := &template.Template.Spec.Containers[0]
	c.Env = append(c.Env, secretEnv("REDIS_PASSWORD", "release", "password", false))
	w.must(w.Update(t.Context(), template))
	w.backup("b", func(s *v1alpha1.RedisBackupSpec) {
		s.Storage = v1alpha1.Storage{S3: &v1alpha1.S3Storage{Bucket: "bucket", Prefix: "a/b", Endpoint: "https://minio:9000", Region: "eu", SecretName: "s3"}}
		s.Redis = &v1alpha1.Redis{URL: "rediss://other:6379", SecretName: "other"}
		s.Verify, s.Method = new(false), v1alpha1.MethodDump
	})
	w.settle()
	pod := w.theJob("b").Spec.Template.Spec
	secrets := map[string]string{}
	env := map[string]string{}
	for _, e := range pod.Containers[0].Env {
		if _, twice := env[e.Name]; twice {
			t.Error(e.Name, "is there twice")
		}
		env[e.Name] = e.Value
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			secrets[e.Name] = e.ValueFrom.SecretKeyRef.Name + "/" + e.ValueFrom.SecretKeyRef.Key
		}
	}
	if env["BACKUP_STORAGE"] != "s3://bucket/a/b" || env["S3_ENDPOINT"] != "https://minio:9000" || env["AWS_REGION"] != "eu" ||
		env["REDIS_URL"] != "rediss://other:6379" || env["BACKUP_VERIFY"] != "false" || env["BACKUP_METHOD"] != "dump" || env["DATABASE_HOST"] != "db" {
		t.Error(env)
	}
	if secrets["AWS_ACCESS_KEY_ID"] != "s3/access-key-id" || secrets["AWS_SECRET_ACCESS_KEY"] != "s3/secret-access-key" ||
		secrets["REDIS_USERNAME"] != "other/username" || secrets["REDIS_PASSWORD"] != "other/password" || len(pod.Volumes) != 0 {
		t.Error(secrets, pod.Volumes)
	}
}

func TestDeletingABackupDeletesItsData(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.backup("b", nil)
	w.settle()
	w.end("b", batchv1.JobComplete, noon, taken)
	w.settle()
	w.remove(b)
	w.settle()
	job := w.theJob("b-delete")
	if args := job.Spec.Template.Spec.Containers[0].Args; !slices.Equal(args, []string{"backup", "delete", "b"}) {
		t.Error(args)
	}
	w.backup("b", nil) // another one of its name waits
	w.settle()
	if read(w, "b", &batchv1.Job{}) != nil {
		t.Error("it is taken while its predecessor's data is being deleted")
	}
	w.end("b-delete", batchv1.JobFailed, noon, `{"error":"read-only file system"}`)
	w.settle()
	if all := strings.Join(w.heard(), "\n"); !strings.Contains(all, "DeleteFailed") || !strings.Contains(all, "read-only file system") {
		t.Error(all)
	}
	w.now = func() time.Time { return noon.Add(removalRetry) }
	w.settle()
	w.end("b-delete", batchv1.JobComplete, noon.Add(removalRetry), `{}`)
	w.settle()
	w.theJob("b")
	if read(w, "b-delete", &batchv1.Job{}) != nil || recordOf(read(w, w.Records, &corev1.ConfigMap{}), "b").Backup == b.UID {
		t.Error(w.describe())
	}
}

func TestABackupThatRunsIsStoppedBeforeItsDataIsDeleted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.backup("b", nil)
	w.settle()
	w.begin("b", noon)
	w.settle()
	w.must(w.Delete(t.Context(), b))
	w.must(w.pass()) // nobody collects: the Job is there until its pod is not
	w.must(w.pass())
	if job := w.theJob("b"); job.DeletionTimestamp == nil || !slices.Contains(job.Finalizers, metav1.FinalizerDeleteDependents) {
		t.Errorf("%+v", job.ObjectMeta)
	}
	if read(w, "b-delete", &batchv1.Job{}) != nil {
		t.Error("the data is deleted while the backup may still be written")
	}
	w.settle()
	w.theJob("b-delete")
}

func TestTheDataStays(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]func(*world, *v1alpha1.RedisBackup){
		"of one that is retained": func(w *world, b *v1alpha1.RedisBackup) {
			b.Spec.Retain = true
			w.must(w.Update(w.t.Context(), b))
			w.settle()
			w.remove(b)
		},
		"where the release was uninstalled": func(w *world, b *v1alpha1.RedisBackup) {
			w.remove(read(w, w.Records, &corev1.ConfigMap{}))
			w.remove(b)
			w.must(w.Create(w.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: w.Records, Namespace: w.Namespace}}))
		},
		"where the records are a copy": func(w *world, b *v1alpha1.RedisBackup) {
			old := read(w, w.Records, &corev1.ConfigMap{})
			w.remove(old)
			w.remove(b)
			w.must(w.Create(w.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: w.Records, Namespace: w.Namespace}, Data: old.Data}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.backup("b", nil)
			w.settle()
			w.end("b", batchv1.JobComplete, noon, taken)
			w.settle()
			b := w.theBackup("b")
			if len(b.Finalizers) > 0 {
				t.Error("it has a finalizer, which keeps its namespace from being deleted")
			}
			play(w, b)
			w.settle()
			if world := w.describe(); strings.Contains(world, "v1.Job ") || strings.Contains(world, "RedisBackup b") || strings.Contains(world, "keep=") {
				t.Error(world)
			}
		})
	}
}
