package controller

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
)

// record is what must be known of a RedisBackup to delete its data once it is gone itself. They lie in one ConfigMap, under the
// RedisBackups' names; the chart makes it, and it goes with the release.
type record struct {
	// Of the ConfigMap. One that was copied, or came back from a backup of the cluster, knows RedisBackups that nobody here
	// deleted: its records do not hold.
	ConfigMap types.UID        `json:"configMap"`
	Backup    types.UID        `json:"backup"`
	Keep      bool             `json:"keep,omitempty"` // the data is to stay, or is gone already
	Storage   v1alpha1.Storage `json:"storage"`
}

// records reads the ConfigMap.
func (c *controller) records(ctx context.Context) (*corev1.ConfigMap, error) {
	m := &corev1.ConfigMap{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.Records}, m); err != nil {
		return nil, fmt.Errorf("the record of backups: %w", err)
	}
	return m, nil
}

// recordOf a name; nil where there is none that holds.
func recordOf(m *corev1.ConfigMap, name string) *record {
	r := &record{}
	if err := json.Unmarshal([]byte(m.Data[name]), r); err != nil || r.ConfigMap != m.UID {
		return nil
	}
	return r
}

// putRecord writes down that a RedisBackup is there.
func (c *controller) putRecord(ctx context.Context, m *corev1.ConfigMap, b *v1alpha1.RedisBackup) error {
	want := &record{ConfigMap: m.UID, Backup: b.UID, Keep: b.Spec.Retain || b.Annotations[annoPruned] != "", Storage: b.Spec.Storage}
	if equality.Semantic.DeepEqual(recordOf(m, b.Name), want) {
		return nil
	}
	text, err := json.Marshal(want)
	if err != nil {
		return err
	}
	return c.patchRecord(ctx, m, b.Name, new(string(text)))
}

// strike takes a record out.
func (c *controller) strike(ctx context.Context, m *corev1.ConfigMap, name string) error {
	return c.patchRecord(ctx, m, name, nil)
}

// patchRecord changes one record, and only in the very ConfigMap that was read.
func (c *controller) patchRecord(ctx context.Context, m *corev1.ConfigMap, name string, text *string) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": m.UID}, "data": map[string]*string{name: text},
	})
	if err != nil {
		return err
	}
	return c.Patch(ctx, m.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
}
