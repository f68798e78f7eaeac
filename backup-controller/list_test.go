package controller

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/backup-controller/v1alpha1"
	"chat-system/internal/backup"
)

func TestTheListTellsOfEveryBackup(t *testing.T) {
	t.Parallel()
	w := setup(t)
	reader := client.NewNamespacedClient(w.WithWatch, w.Namespace)
	w.must(reader.List(t.Context(), &v1alpha1.RedisBackupList{})) // what it has to learn of the API server takes longer than a cache
	handler := list(reader)
	ask := func() (all []backup.Manifest) {
		for range 30 {
			answer := httptest.NewRecorder()
			handler(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/backups", nil))
			if answer.Code == http.StatusServiceUnavailable {
				continue // it gives the API server a second
			}
			w.must(json.Unmarshal(answer.Body.Bytes(), &all))
			return all
		}
		t.Fatal("it is not available")
		return nil
	}
	if all := ask(); all == nil || len(all) != 0 {
		t.Errorf("without any: %v", all)
	}
	for _, name := range []string{"a-good", "b-bad", "c-waits"} {
		w.backup(name, nil)
	}
	w.settle()
	w.begin("a-good", noon.Add(-time.Minute))
	w.end("a-good", batchv1.JobComplete, noon, taken)
	w.begin("b-bad", noon.Add(-time.Minute))
	w.end("b-bad", batchv1.JobFailed, noon, `{"error":"a byte is wrong","reason":"Damaged"}`)
	w.settle()
	told := map[string]backup.Manifest{}
	for _, m := range ask() {
		told[m.Name] = m
	}
	good, bad, waits := told["a-good"], told["b-bad"], told["c-waits"]
	if len(told) != 3 || !good.Verified() || good.Size != 7000 || good.Keys != 12 || good.Entries != 34 || good.Location != "/backups/x" ||
		!good.FinishedAt.Equal(noon) || good.Method != backup.Replication || !good.Consistent || good.RedisVersion != "8.0.3" {
		t.Errorf("%+v", good)
	}
	if bad.Error != "Damaged: a byte is wrong" || bad.Reason != "Damaged" || bad.Verified() {
		t.Errorf("%+v", bad)
	}
	if waits.Error != "" || !waits.FinishedAt.IsZero() || !waits.StartedAt.IsZero() {
		t.Errorf("%+v", waits)
	}
}
