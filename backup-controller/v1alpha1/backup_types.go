package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RedisBackup is one backup of Redis. One that is made by hand is taken at once; those of a schedule are made as its jobs
// run. Whoever deletes a RedisBackup deletes its data, unless it is to be retained.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rb,categories=chat-system
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Schedule",type=string,JSONPath=`.spec.scheduleName`
// +kubebuilder:printcolumn:name="Size",type=integer,format=int64,JSONPath=`.status.size`
// +kubebuilder:printcolumn:name="Keys",type=integer,format=int64,JSONPath=`.status.keys`
// +kubebuilder:printcolumn:name="Finished",type=date,JSONPath=`.status.finished`
// +kubebuilder:printcolumn:name="Verified",type=date,JSONPath=`.status.verifiedAt`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Location",type=string,priority=1,JSONPath=`.status.location`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 56",message="the name must have at most 56 characters: its jobs are named after it"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="the name must be lower-case letters, digits and hyphens"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.matches('-(delete|restore|prune)$')",message="the name must not end with -delete, -restore or -prune: so are the names of other jobs made"
type RedisBackup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec RedisBackupSpec `json:"spec"`
	// +optional
	Status RedisBackupStatus `json:"status,omitempty"`
}

// RedisBackupSpec is what is backed up, and where to. Only retain can be changed later.
// +kubebuilder:validation:XValidation:rule="self.storage == oldSelf.storage",message="storage can't be changed: make another RedisBackup"
// +kubebuilder:validation:XValidation:rule="has(self.redis) == has(oldSelf.redis) && (!has(self.redis) || self.redis == oldSelf.redis)",message="redis can't be changed: make another RedisBackup"
// +kubebuilder:validation:XValidation:rule="has(self.scheduleName) == has(oldSelf.scheduleName) && (!has(self.scheduleName) || self.scheduleName == oldSelf.scheduleName)",message="scheduleName can't be changed"
// +kubebuilder:validation:XValidation:rule="self.method == oldSelf.method && self.verify == oldSelf.verify && self.deadlineSeconds == oldSelf.deadlineSeconds",message="method, verify and deadlineSeconds can't be changed: make another RedisBackup"
type RedisBackupSpec struct {
	Source `json:",inline"`
	// The RedisBackupSchedule that it belongs to, which counts it and prunes it; empty: none.
	// +kubebuilder:validation:MaxLength=46
	// +optional
	ScheduleName string `json:"scheduleName,omitempty"`
	// Keep the data when this object is deleted.
	// +optional
	Retain bool `json:"retain,omitempty"`
}

// RedisBackupStatus is what its job told.
type RedisBackupStatus struct {
	Run `json:",inline"`
	// Where the data lies.
	// +optional
	Location string `json:"location,omitempty"`
	// How the data was read: replication or dump.
	// +optional
	Method string `json:"method,omitempty"`
	// Whether all of it is of one moment.
	// +optional
	Consistent *bool `json:"consistent,omitempty"`
	// Version of the server that was backed up.
	// +optional
	RedisVersion string `json:"redisVersion,omitempty"`
	// Bytes of all files.
	// +optional
	Size int64 `json:"size,omitempty"`
	// SHA-256 of the first file, in hexadecimal digits.
	// +optional
	SHA256 string `json:"sha256,omitempty"`
	// Keys in the backup.
	// +optional
	Keys int64 `json:"keys,omitempty"`
	// Entries of all streams: writes that were accepted.
	// +optional
	Entries int64 `json:"entries,omitempty"`
	// When it was loaded and compared.
	// +optional
	VerifiedAt *metav1.Time `json:"verifiedAt,omitempty"`
}

// RedisBackupList is a list of them.
// +kubebuilder:object:root=true
type RedisBackupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RedisBackup `json:"items"`
}
