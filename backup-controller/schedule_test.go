package controller

import (
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"chat-system/backup-controller/v1alpha1"
)

func TestAScheduleHasTheCronJobsThatItWants(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.schedule("hourly", func(s *v1alpha1.RedisBackupScheduleSpec) { s.TimeZone = "Europe/Berlin" })
	w.settle()
	c := read(w, "hourly", &batchv1.CronJob{})
	if c.Spec.Schedule != "0 * * * *" || *c.Spec.TimeZone != "Europe/Berlin" || *c.Spec.Suspend || c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent ||
		*c.Spec.StartingDeadlineSeconds != late || *c.Spec.SuccessfulJobsHistoryLimit != 3 || *c.Spec.JobTemplate.Spec.ActiveDeadlineSeconds != 1800 {
		t.Errorf("%+v", c.Spec)
	}
	if args := c.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args; !slices.Equal(args, []string{"backup", "take", "$(BACKUP_NAME)"}) {
		t.Error(args)
	}
	p := read(w, "hourly-prune", &batchv1.CronJob{})
	env := p.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env
	if p.Spec.Schedule != "30 3 * * *" || env[0].Name != "BACKUP_KEEP_LAST" || env[0].Value != "2" || env[3].Value != "0" {
		t.Errorf("%+v", p.Spec)
	}
	s := read(w, "hourly", &v1alpha1.RedisBackupSchedule{})
	if !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady) || s.Status.Next.Unix() != noon.Add(time.Hour).Unix() {
		t.Errorf("%+v", s.Status)
	}

	s.Spec.Schedule, s.Spec.TimeZone, s.Spec.Suspend = "15 * * * *", "", true
	w.must(w.Update(t.Context(), s))
	w.settle()
	c = read(w, "hourly", &batchv1.CronJob{})
	if c.Spec.Schedule != "15 * * * *" || c.Spec.TimeZone != nil || !*c.Spec.Suspend {
		t.Errorf("%+v", c.Spec)
	}
	if s = read(w, "hourly", &v1alpha1.RedisBackupSchedule{}); s.Status.Next != nil {
		t.Error("it is suspended, and says when it goes on")
	}

	c.Spec.Suspend = new(false) // somebody else meddles
	w.must(w.Update(t.Context(), c))
	w.settle()
	if c = read(w, "hourly", &batchv1.CronJob{}); !*c.Spec.Suspend {
		t.Error("what somebody else changed stays")
	}

	w.remove(s)
	w.collect()
	if world := w.describe(); strings.Contains(world, "CronJob") {
		t.Error(world)
	}
}

func TestAScheduleThatIsNoneSaysSo(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.schedule("s", func(s *v1alpha1.RedisBackupScheduleSpec) { s.Schedule = "every now and then" })
	spec, err := w.jobSpec(t.Context(), takeTask(v1alpha1.Source{DeadlineSeconds: 60}))
	w.must(err)
	w.must(w.Create(t.Context(), &batchv1.CronJob{ObjectMeta: w.meta("taken"), Spec: batchv1.CronJobSpec{
		Schedule: "0 0 * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: spec},
	}}))
	w.schedule("taken", nil)
	w.settle()
	for name, want := range map[string]string{"s": "Invalid", "taken": reasonTaken} {
		s := read(w, name, &v1alpha1.RedisBackupSchedule{})
		if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Status != "False" || c.Reason != want {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if all := strings.Join(w.heard(), "\n"); strings.Count(all, "Warning Invalid") != 1 || strings.Count(all, "Warning "+reasonTaken) != 1 {
		t.Error(all)
	}
	if c := read(w, "taken", &batchv1.CronJob{}); c.Spec.Schedule != "0 0 * * *" {
		t.Error("somebody else's CronJob is changed")
	}
}

// hour is one run of a schedule.
func (w *world) hour(name, at string, how batchv1.JobConditionType, message string) {
	w.t.Helper()
	when, err := time.Parse("15:04", at)
	w.must(err)
	w.fire(name, strings.ReplaceAll(at, ":", ""))
	w.settle()
	w.end(name+"-"+strings.ReplaceAll(at, ":", ""), how, noon.Add(time.Duration(when.Hour()-12)*time.Hour), message)
	w.settle()
}

func TestEachJobOfAScheduleBecomesARedisBackup(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.schedule("s", nil)
	w.settle()
	w.hour("s", "08:00", batchv1.JobComplete, taken)
	w.hour("s", "09:00", batchv1.JobFailed, `{"error":"no","reason":"Auth"}`)
	b := w.theBackup("s-0800")
	if b.Spec.ScheduleName != "s" || b.Status.Phase != v1alpha1.PhaseCompleted || b.Spec.Storage.PersistentVolumeClaim.ClaimName != "backups" || len(b.OwnerReferences) > 0 {
		t.Errorf("%+v", b)
	}
	s := read(w, "s", &v1alpha1.RedisBackupSchedule{})
	if s.Status.LastSuccess.Name != "s-0800" || s.Status.LastSuccess.Size != 7000 || s.Status.LastFailure.Reason != "Auth" || s.Status.Failures != 1 ||
		s.Status.Backups != 2 || s.Status.LastVerified == nil || !meta.IsStatusConditionFalse(s.Status.Conditions, v1alpha1.ConditionSucceeding) {
		t.Errorf("%+v", s.Status)
	}
	w.hour("s", "10:00", batchv1.JobComplete, taken)
	w.remove(w.theBackup("s-0900"))
	w.settle()
	w.end("s-0900-delete", batchv1.JobComplete, noon, `{}`)
	w.settle()
	s = read(w, "s", &v1alpha1.RedisBackupSchedule{})
	if s.Status.Failures != 1 || s.Status.Backups != 2 || !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionSucceeding) {
		t.Errorf("%+v", s.Status)
	}
	if read(w, "s-0900", &batchv1.Job{}) != nil || read(w, "s-0900", &v1alpha1.RedisBackup{}) != nil {
		t.Error("what was deleted is there again")
	}
	w.remove(s)
	w.settle()
	w.theBackup("s-0800") // they outlive their schedule
	w.theBackup("s-1000")
}

func TestPruningLetsGoWhatItDidNotKeep(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.schedule("s", nil)
	for _, name := range []string{"by-hand", "by-hand-kept", "by-hand-failed"} {
		w.backup(name, nil)
	}
	w.settle()
	w.end("by-hand", batchv1.JobComplete, noon.Add(-10*time.Hour), taken)
	w.end("by-hand-kept", batchv1.JobComplete, noon.Add(-10*time.Hour), taken)
	w.end("by-hand-failed", batchv1.JobFailed, noon.Add(-10*time.Hour), "")
	for _, at := range []string{"07:00", "08:00", "11:00"} {
		w.hour("s", at, batchv1.JobComplete, taken)
	}
	w.fire("s-prune", "0900")
	w.begin("s-prune-0900", noon.Add(-3*time.Hour))
	w.end("s-prune-0900", batchv1.JobComplete, noon, `{"kept":["s-0800","by-hand-kept"],"deleted":2,"keptTruncated":false}`)
	w.settle()
	w.theBackup("by-hand-kept")
	w.theBackup("by-hand-failed")
	if read(w, "by-hand", &v1alpha1.RedisBackup{}) != nil {
		t.Error("a backup by hand stays, and its data is gone")
	}
	w.theBackup("s-0800")
	w.theBackup("s-1100") // later than the pruning began
	if read(w, "s-0700", &v1alpha1.RedisBackup{}) != nil || read(w, "s-0700", &batchv1.Job{}) != nil || read(w, "s-0700-delete", &batchv1.Job{}) != nil {
		t.Error(w.describe())
	}
	w.fire("s-prune", "1130")
	w.begin("s-prune-1130", noon.Add(-30*time.Minute))
	w.end("s-prune-1130", batchv1.JobComplete, noon, `{"kept":[],"deleted":9,"keptTruncated":true}`)
	w.settle()
	w.theBackup("s-0800") // who is not named may be kept
}

func TestPruningKnowsOnlyItsOwnStorage(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := w.schedule("s", nil)
	w.settle()
	w.hour("s", "08:00", batchv1.JobComplete, taken)
	s = read(w, s.Name, s)
	s.Spec.Storage.PersistentVolumeClaim.ClaimName = "another"
	w.must(w.Update(t.Context(), s))
	w.settle()
	w.fire("s-prune", "0900")
	w.end("s-prune-0900", batchv1.JobComplete, noon, `{"kept":[]}`)
	w.settle()
	w.theBackup("s-0800")
}

// The CronJob controller reckons with the same library: where clocks change, no hour and no day has two or none.
func TestClocksThatChangeNeitherSkipNorDouble(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"", "Europe/Berlin", "America/New_York", "America/Santiago"} {
		for schedule, want := range map[string]int{"0 * * * *": 365 * 24, "30 3 * * *": 365} {
			s := &v1alpha1.RedisBackupSchedule{Spec: v1alpha1.RedisBackupScheduleSpec{Schedule: schedule, TimeZone: zone}}
			at := time.Date(2029, 12, 31, 23, 59, 0, 0, time.UTC)
			end := at.AddDate(1, 0, 0)
			r := &schedules{&controller{now: func() time.Time { return at }}}
			n := 0
			for at = r.next(s).Time; at.Before(end); at = r.next(s).Time {
				n++
			}
			if n != want {
				t.Errorf("%s in %s: %d times in a year, not %d", schedule, zone, n, want)
			}
		}
	}
}
