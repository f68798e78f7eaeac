package controller

import (
	"context"
	"maps"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"chat-system/backup-controller/v1alpha1"
)

// Labels and annotations of what the controller makes.
const (
	labelInstance = "app.kubernetes.io/instance"              // the release
	labelTask     = "backup.chat-system.dev/task"             // what a Job does
	labelSchedule = "backup.chat-system.dev/schedule"         // the RedisBackupSchedule that a Job or a RedisBackup is of
	labelBackup   = "backup.chat-system.dev/backup"           // the RedisBackup that a Job deletes
	labelUID      = "backup.chat-system.dev/backup-uid"       // likewise: another one may have its name by now
	annoSpec      = "backup.chat-system.dev/spec"             // of a schedule's Job: the RedisBackup's spec, as it was when the Job was made
	annoPruned    = "backup.chat-system.dev/pruned-by"        // of a RedisBackup: the Job that deleted its data
	fieldOwner    = "chat-system-backup-controller"           // of what is applied
	jobNameLabel  = "batch.kubernetes.io/job-name"            // which Kubernetes puts on a Job's pods
	jobUIDLabel   = "batch.kubernetes.io/controller-uid"      // likewise
	storageMount  = "/backups"                                // where a volume with backups is mounted
	reportFile    = corev1.TerminationMessagePathDefault      // what is written there is the container's termination message
	retries       = 2                                         // of a Job's pod that failed
	longest       = 24 * 3600                                 // seconds that BACKUP_TIMEOUT may be at most
	removalTime   = 1800                                      // seconds that a Job may take to delete a backup
	nameFromLabel = "metadata.labels['" + jobNameLabel + "']" // a backup is named after its Job, whose name a CronJob makes
)

// Tasks, the values of labelTask.
const (
	taskTake    = "take"
	taskPrune   = "prune"
	taskDelete  = "delete"
	taskRestore = "restore"
)

// task is one kind of run of the program chat.
type task struct {
	kind     string
	args     []string
	storage  v1alpha1.Storage
	redis    *v1alpha1.Redis
	env      []corev1.EnvVar
	deadline int64 // seconds
	labels   map[string]string
}

// takeTask takes a backup that is named after its Job.
func takeTask(s v1alpha1.Source) task {
	method := s.Method
	if method == "" {
		method = v1alpha1.MethodAuto
	}
	return task{
		kind: taskTake, args: []string{"backup", "take", "$(BACKUP_NAME)"}, storage: s.Storage, redis: s.Redis, deadline: s.DeadlineSeconds,
		env: []corev1.EnvVar{
			{Name: "BACKUP_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: nameFromLabel}}},
			{Name: "BACKUP_METHOD", Value: string(method)},
			{Name: "BACKUP_VERIFY", Value: strconv.FormatBool(s.Verify == nil || *s.Verify)},
		},
	}
}

// pruneTask deletes from the storage what the retention does not keep.
func pruneTask(s v1alpha1.Source, keep v1alpha1.Retention) task {
	number := func(name string, n int32) corev1.EnvVar {
		return corev1.EnvVar{Name: name, Value: strconv.Itoa(int(n))}
	}
	return task{
		kind: taskPrune, args: []string{"backup", "prune"}, storage: s.Storage, deadline: s.DeadlineSeconds,
		env: []corev1.EnvVar{
			number("BACKUP_KEEP_LAST", keep.Last), number("BACKUP_KEEP_HOURLY", keep.Hourly),
			number("BACKUP_KEEP_DAILY", keep.Daily), number("BACKUP_KEEP_WEEKLY", keep.Weekly),
		},
	}
}

// jobSpec lays a task over what the chart gives all Jobs, whose first container is the one that runs the program.
func (c *controller) jobSpec(ctx context.Context, t task) (batchv1.JobSpec, error) {
	template := &corev1.PodTemplate{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.Template}, template); err != nil {
		return batchv1.JobSpec{}, err
	}
	pod := &template.Template
	pod.Labels = merged(pod.Labels, c.labels(t))
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever // each attempt's report stays
	pod.Spec.AutomountServiceAccountToken = new(false)
	container := &pod.Spec.Containers[0]
	container.Args = t.args
	container.TerminationMessagePath, container.TerminationMessagePolicy = reportFile, corev1.TerminationMessageReadFile
	env := append(slices.Clone(t.env),
		corev1.EnvVar{Name: "BACKUP_REPORT", Value: reportFile},
		// It ends by itself, and tells so, before Kubernetes ends it.
		corev1.EnvVar{Name: "BACKUP_TIMEOUT", Value: strconv.FormatInt(min(t.deadline*9/10, longest), 10) + "s"})
	env = append(env, storageEnv(t.storage)...)
	if t.redis != nil {
		env = append(env, redisEnv(*t.redis)...)
	}
	for _, e := range env {
		container.Env = slices.DeleteFunc(container.Env, func(old corev1.EnvVar) bool { return old.Name == e.Name })
	}
	container.Env = append(env, container.Env...)
	if claim := t.storage.PersistentVolumeClaim; claim != nil {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "backups", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.ClaimName},
		}})
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: "backups", MountPath: storageMount})
	}
	return batchv1.JobSpec{BackoffLimit: new(int32(retries)), ActiveDeadlineSeconds: new(t.deadline), Template: *pod}, nil
}

// labels of a Job and its pods.
func (c *controller) labels(t task) map[string]string {
	return merged(map[string]string{labelInstance: c.Release, labelTask: t.kind}, t.labels)
}

// createJob makes a Job that goes with its owner.
func (c *controller) createJob(ctx context.Context, owner client.Object, name string, t task) (*batchv1.Job, error) {
	spec, err := c.jobSpec(ctx, t)
	if err != nil {
		return nil, err
	}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.Namespace, Labels: c.labels(t)}, Spec: spec}
	if err := controllerutil.SetControllerReference(owner, job, c.Scheme(), owned); err != nil {
		return nil, err
	}
	return job, c.Create(ctx, job)
}

func storageEnv(s v1alpha1.Storage) []corev1.EnvVar {
	if s.S3 == nil {
		return []corev1.EnvVar{{Name: "BACKUP_STORAGE", Value: storageMount}}
	}
	place := "s3://" + s.S3.Bucket
	if s.S3.Prefix != "" {
		place += "/" + s.S3.Prefix
	}
	return []corev1.EnvVar{
		{Name: "BACKUP_STORAGE", Value: place},
		{Name: "S3_ENDPOINT", Value: s.S3.Endpoint},
		{Name: "AWS_REGION", Value: s.S3.Region},
		secretEnv("AWS_ACCESS_KEY_ID", s.S3.SecretName, "access-key-id", false),
		secretEnv("AWS_SECRET_ACCESS_KEY", s.S3.SecretName, "secret-access-key", false),
	}
}

// redisEnv names the user in any case: the template's ConfigMap may have one of the release's own Redis.
func redisEnv(r v1alpha1.Redis) []corev1.EnvVar {
	env := []corev1.EnvVar{{Name: "REDIS_URL", Value: r.URL}}
	if r.SecretName == "" {
		return append(env, corev1.EnvVar{Name: "REDIS_USERNAME"}, corev1.EnvVar{Name: "REDIS_PASSWORD"})
	}
	return append(env, secretEnv("REDIS_USERNAME", r.SecretName, "username", true), secretEnv("REDIS_PASSWORD", r.SecretName, "password", false))
}

func secretEnv(name, secret, key string, optional bool) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key, Optional: new(optional),
	}}}
}

func merged(a, b map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// ended gives the condition with which a Job ended, nil while it has not.
func ended(job *batchv1.Job) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		c := &job.Status.Conditions[i]
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}
