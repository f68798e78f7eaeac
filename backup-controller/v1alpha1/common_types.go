package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Storage is where backups lie: exactly one of its fields is set.
// +kubebuilder:validation:XValidation:rule="has(self.persistentVolumeClaim) != has(self.s3)",message="exactly one of persistentVolumeClaim and s3 must be set"
type Storage struct {
	// A volume in the namespace.
	// +optional
	PersistentVolumeClaim *ClaimStorage `json:"persistentVolumeClaim,omitempty"`
	// A bucket of S3, or of what speaks its protocol.
	// +optional
	S3 *S3Storage `json:"s3,omitempty"`
}

// ClaimStorage is a folder for backups in a volume.
type ClaimStorage struct {
	// The PersistentVolumeClaim's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName"`
}

// S3Storage is a place for backups in a bucket.
type S3Storage struct {
	// +kubebuilder:validation:Pattern=`^[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]$`
	Bucket string `json:"bucket"`
	// Before the names of all objects, without a slash at either end; empty: they lie at the top of the bucket.
	// +kubebuilder:validation:Pattern=`^([-_.A-Za-z0-9]+(/[-_.A-Za-z0-9]+)*)?$`
	// +kubebuilder:validation:MaxLength=500
	// +optional
	Prefix string `json:"prefix,omitempty"`
	// Address, such as https://minio.example.com:9000; empty: that of AWS.
	// +kubebuilder:validation:Pattern=`^(https?://[^/?#@]+/?)?$`
	// +kubebuilder:validation:MaxLength=500
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
	// Region of the bucket.
	// +kubebuilder:validation:MaxLength=100
	// +optional
	Region string `json:"region,omitempty"`
	// The Secret with the credentials: its keys are access-key-id and secret-access-key.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
}

// Redis is the server that is backed up.
type Redis struct {
	// Address, redis:// or rediss://; with ?master_name= a Sentinel's master, with ?addr= (once or more) a Cluster. User and
	// password come from the Secret.
	// +kubebuilder:validation:Pattern=`^rediss?://[^/?#@]+([/?][^#@]*)?$`
	// +kubebuilder:validation:MaxLength=2000
	URL string `json:"url"`
	// The Secret with the credentials: its keys are username (which may be missing) and password; empty: none are needed.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SecretName string `json:"secretName,omitempty"`
}

// Method by which the data is read from Redis.
// +kubebuilder:validation:Enum=auto;replication;dump
type Method string

// The methods.
const (
	MethodAuto        Method = "auto"        // replication where the server allows it, else dump
	MethodReplication Method = "replication" // as a replica gets it: one moment of the whole server
	MethodDump        Method = "dump"        // key by key
)

// Source is what is backed up, how, and where to.
type Source struct {
	// Where the backup lies.
	Storage Storage `json:"storage"`
	// The server; none: that of the chart's release.
	// +optional
	Redis *Redis `json:"redis,omitempty"`
	// How the data is read: replication (as a replica gets it, one moment of the whole server), dump (key by key), or auto: the
	// former where the server allows it.
	// +kubebuilder:default=auto
	// +optional
	Method Method `json:"method,omitempty"`
	// Load the finished backup into a Redis of the job's own, and compare.
	// +kubebuilder:default=true
	// +optional
	Verify *bool `json:"verify,omitempty"`
	// Seconds after which a backup that has not ended is given up.
	// +kubebuilder:default=1800
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=604800
	// +optional
	DeadlineSeconds int64 `json:"deadlineSeconds,omitempty"`
}

// Phase of what runs once.
// +kubebuilder:validation:Enum=Pending;Running;Completed;Failed
type Phase string

// The phases; the last two are final.
const (
	PhasePending   Phase = "Pending"   // its job is not there, or its pod has not started
	PhaseRunning   Phase = "Running"   // its pod runs
	PhaseCompleted Phase = "Completed" // it succeeded
	PhaseFailed    Phase = "Failed"    // it failed for good
)

// Final says that nothing changes any more.
func (p Phase) Final() bool { return p == PhaseCompleted || p == PhaseFailed }

// Run is what backups and restores have in common.
type Run struct {
	// Pending, Running, Completed or Failed.
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// When the job began.
	// +optional
	Started *metav1.Time `json:"started,omitempty"`
	// When the job ended.
	// +optional
	Finished *metav1.Time `json:"finished,omitempty"`
	// Why it failed or waits, in one word.
	// +optional
	Reason string `json:"reason,omitempty"`
	// The same in a sentence.
	// +optional
	Message string `json:"message,omitempty"`
}
