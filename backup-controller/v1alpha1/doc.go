// Package v1alpha1 is what the backup controller's users write and read: the kinds of the group
// backup.chat-system.dev/v1alpha1.
//
//	schedule_types.go  RedisBackupSchedule: when backups are taken, and how long they are kept
//	backup_types.go    RedisBackup: one backup, taken by a schedule or asked for by hand
//	restore_types.go   RedisRestore: one run of a backup's writes through the database
//	common_types.go    what they have in common
//
// The definitions in charts/chat-system/crds and zz_generated.deepcopy.go are generated from them.
//
// +kubebuilder:object:generate=true
// +groupName=backup.chat-system.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

//go:generate go tool -modfile=../../internal/tools/go.mod controller-gen object crd:headerFile=header.txt paths=. output:crd:dir=../../charts/chat-system/crds

// GroupVersion of the kinds.
var GroupVersion = schema.GroupVersion{Group: "backup.chat-system.dev", Version: "v1alpha1"}

// AddToScheme makes the kinds known to a client.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&RedisBackupSchedule{}, &RedisBackupScheduleList{}, &RedisBackup{}, &RedisBackupList{}, &RedisRestore{}, &RedisRestoreList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
