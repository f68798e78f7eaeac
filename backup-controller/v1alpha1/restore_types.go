package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RedisRestore runs the writes of a backup through the database: what is missing there is stored, what is there already is
// left alone. It runs once.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rr,categories=chat-system
// +kubebuilder:printcolumn:name="Backup",type=string,JSONPath=`.spec.backupName`
// +kubebuilder:printcolumn:name="Dry run",type=boolean,JSONPath=`.spec.dryRun`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Stored",type=integer,format=int64,JSONPath=`.status.stored`
// +kubebuilder:printcolumn:name="Already stored",type=integer,format=int64,JSONPath=`.status.alreadyStored`
// +kubebuilder:printcolumn:name="Dead letters",type=integer,format=int64,JSONPath=`.status.deadLettered`
// +kubebuilder:printcolumn:name="Finished",type=date,JSONPath=`.status.finished`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 55",message="the name must have at most 55 characters: its job is named after it"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="the name must be lower-case letters, digits and hyphens"
type RedisRestore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec RedisRestoreSpec `json:"spec"`
	// +optional
	Status RedisRestoreStatus `json:"status,omitempty"`
}

// RedisRestoreSpec is what is restored. It can't be changed later.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a restore runs once and can't be changed: make another RedisRestore"
type RedisRestoreSpec struct {
	// The backup: a RedisBackup's name, or, with storage, the name under which it lies there.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	BackupName string `json:"backupName"`
	// Where it lies; none: where the RedisBackup of that name says.
	// +optional
	Storage *Storage `json:"storage,omitempty"`
	// Store nothing: only count what would be.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// Seconds after which a restore that has not ended is given up. Another one goes on from there.
	// +kubebuilder:default=7200
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=604800
	// +optional
	DeadlineSeconds int64 `json:"deadlineSeconds,omitempty"`
}

// RedisRestoreStatus is what its job told.
type RedisRestoreStatus struct {
	Run `json:",inline"`
	// Writes that were stored, or would be in a dry run.
	// +optional
	Stored int64 `json:"stored,omitempty"`
	// Writes that were there.
	// +optional
	AlreadyStored int64 `json:"alreadyStored,omitempty"`
	// Writes that were accepted again, with their Idempotency-Key, since Redis was lost: their first number stays empty.
	// +optional
	GivenUp int64 `json:"givenUp,omitempty"`
	// Writes whose number, or what they edit, belongs to another write by now. They are dead letters.
	// +optional
	DeadLettered int64 `json:"deadLettered,omitempty"`
	// Partitions that something was missing of, and that took no writes for a while.
	// +optional
	Partitions int64 `json:"partitions,omitempty"`
	// The longest such while, in seconds.
	// +optional
	ClosedSeconds int64 `json:"closedSeconds,omitempty"`
}

// RedisRestoreList is a list of them.
// +kubebuilder:object:root=true
type RedisRestoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RedisRestore `json:"items"`
}
