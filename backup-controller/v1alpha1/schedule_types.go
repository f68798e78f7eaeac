package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RedisBackupSchedule takes backups of Redis again and again, and prunes old ones. Whoever deletes it keeps its backups.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rbs,categories=chat-system
// +kubebuilder:printcolumn:name="Schedule",type=string,JSONPath=`.spec.schedule`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.suspend`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Last success",type=date,JSONPath=`.status.lastSuccess.finished`
// +kubebuilder:printcolumn:name="Last failure",type=date,JSONPath=`.status.lastFailure.finished`
// +kubebuilder:printcolumn:name="Backups",type=integer,JSONPath=`.status.backups`
// +kubebuilder:printcolumn:name="Next",type=string,priority=1,JSONPath=`.status.next`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 46",message="the name must have at most 46 characters: its jobs are named after it"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="the name must be lower-case letters, digits and hyphens"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.matches('-(delete|restore|prune)$')",message="the name must not end with -delete, -restore or -prune: so are the names of other jobs made"
type RedisBackupSchedule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec RedisBackupScheduleSpec `json:"spec"`
	// +optional
	Status RedisBackupScheduleStatus `json:"status,omitempty"`
}

// RedisBackupScheduleSpec is when and what is backed up, and how long that is kept.
// +kubebuilder:validation:XValidation:rule="!has(self.volume) || has(self.storage.persistentVolumeClaim)",message="volume needs storage.persistentVolumeClaim, which names the claim that is made"
type RedisBackupScheduleSpec struct {
	Source `json:",inline"`
	// The PersistentVolumeClaim to make where there is none of the name in storage. It stays when the schedule goes.
	// +optional
	Volume *Volume `json:"volume,omitempty"`
	// When backups are taken, in cron's five fields.
	// +kubebuilder:default="0 * * * *"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	Schedule string `json:"schedule,omitempty"`
	// When old backups are pruned, likewise.
	// +kubebuilder:default="30 3 * * *"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	PruneSchedule string `json:"pruneSchedule,omitempty"`
	// Time zone of both, such as Europe/Berlin; empty: that of the cluster's controllers, mostly UTC.
	// +kubebuilder:validation:MaxLength=100
	// +optional
	TimeZone string `json:"timeZone,omitempty"`
	// Neither take nor prune backups for the time being. What runs goes on.
	// +kubebuilder:default=false
	// +optional
	Suspend bool `json:"suspend"`
	// What pruning keeps.
	// +kubebuilder:default={last: 3, hourly: 24, daily: 7, weekly: 4}
	// +optional
	Retention Retention `json:"retention,omitzero"`
	// Jobs that succeeded and are kept, for their logs.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	SuccessfulJobsHistoryLimit int32 `json:"successfulJobsHistoryLimit,omitempty"`
	// Jobs that failed and are kept, for their logs.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	FailedJobsHistoryLimit int32 `json:"failedJobsHistoryLimit,omitempty"`
}

// Volume is what a PersistentVolumeClaim asks for.
type Volume struct {
	// How much room, such as 8Gi.
	Size resource.Quantity `json:"size"`
	// Its StorageClass; none: the cluster's default.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	StorageClassName *string `json:"storageClassName,omitempty"`
}

// Retention is what pruning keeps: what any of its rules wants to keep, and always the newest good backup.
// +kubebuilder:validation:XValidation:rule="self.last + self.hourly + self.daily + self.weekly > 0",message="one of last, hourly, daily and weekly must be above 0"
type Retention struct {
	// The newest so many backups.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	Last int32 `json:"last"`
	// The newest backup of each of so many hours.
	// +kubebuilder:default=24
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	Hourly int32 `json:"hourly"`
	// The newest backup of each of so many days.
	// +kubebuilder:default=7
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	Daily int32 `json:"daily"`
	// The newest backup of each of so many weeks.
	// +kubebuilder:default=4
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	Weekly int32 `json:"weekly"`
}

// Conditions of a RedisBackupSchedule.
const (
	// ConditionReady says whether its CronJobs are as the spec wants them.
	ConditionReady = "Ready"
	// ConditionSucceeding says whether the backup that ended last succeeded.
	ConditionSucceeding = "Succeeding"
)

// RedisBackupScheduleStatus is what became of it.
type RedisBackupScheduleStatus struct {
	// Ready: its CronJobs are as the spec wants them. Succeeding: the backup that ended last succeeded.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// The generation of the spec that this is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// The backup that succeeded last.
	// +optional
	LastSuccess *BackupResult `json:"lastSuccess,omitempty"`
	// The backup that failed last.
	// +optional
	LastFailure *BackupResult `json:"lastFailure,omitempty"`
	// When the newest verified backup was verified.
	// +optional
	LastVerified *metav1.Time `json:"lastVerified,omitempty"`
	// Backups that failed, since the schedule was made.
	// +optional
	Failures int64 `json:"failures,omitempty"`
	// RedisBackups that it has.
	// +optional
	Backups int32 `json:"backups,omitempty"`
	// When the next backup is due; none while it is suspended.
	// +optional
	Next *metav1.Time `json:"next,omitempty"`
}

// BackupResult is how a backup ended.
type BackupResult struct {
	// The RedisBackup's name.
	Name string `json:"name"`
	// When it ended.
	Finished metav1.Time `json:"finished"`
	// Seconds that it took.
	// +optional
	DurationSeconds int64 `json:"durationSeconds,omitempty"`
	// Bytes of all files.
	// +optional
	Size int64 `json:"size,omitempty"`
	// Why it failed, in one word.
	// +optional
	Reason string `json:"reason,omitempty"`
	// The same in a sentence.
	// +optional
	Message string `json:"message,omitempty"`
}

// RedisBackupScheduleList is a list of them.
// +kubebuilder:object:root=true
type RedisBackupScheduleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RedisBackupSchedule `json:"items"`
}
