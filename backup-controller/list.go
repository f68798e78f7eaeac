package controller

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
	"chat-system/internal/backup"
)

// list answers with the RedisBackups that a cache knows, the newest first, as a JSON list of backup.Manifest: for the monitoring
// page, whose pods have no rights in Kubernetes.
func list(cache client.Reader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		known := &v1alpha1.RedisBackupList{}
		if err := cache.List(ctx, known); err != nil {
			http.Error(w, "what the API server knows is not read yet", http.StatusServiceUnavailable)
			return
		}
		slices.SortFunc(known.Items, func(a, b v1alpha1.RedisBackup) int {
			if n := b.CreationTimestamp.Compare(a.CreationTimestamp.Time); n != 0 {
				return n
			}
			return strings.Compare(b.Name, a.Name)
		})
		all := []backup.Manifest{}
		for i := range known.Items {
			all = append(all, manifest(&known.Items[i]))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(all) // whoever asked is gone, if it fails
	}
}

// manifest is what a status tells. One that failed has an error; one that has not ended has no FinishedAt.
func manifest(b *v1alpha1.RedisBackup) backup.Manifest {
	s := &b.Status
	m := backup.Manifest{
		Name: b.Name, Location: s.Location, Method: backup.Method(s.Method), Consistent: s.Consistent != nil && *s.Consistent,
		RedisVersion: s.RedisVersion, Size: s.Size, Keys: s.Keys, Entries: s.Entries,
	}
	if s.Started != nil {
		m.StartedAt = s.Started.Time
	}
	if s.Finished != nil {
		m.FinishedAt = s.Finished.Time
	}
	if s.VerifiedAt != nil {
		m.VerifiedAt = &s.VerifiedAt.Time
	}
	if s.Phase == v1alpha1.PhaseFailed {
		m.Reason = backup.Reason(s.Reason)
		m.Error = strings.TrimPrefix(s.Reason+": "+s.Message, ": ")
	}
	return m
}
