package lease

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// patience is how long calls may fail before the pod is not ready: a leader whose Lease can't be renewed stands still soon.
const patience = 3 * time.Second

// health is which calls of the API server fail.
type health struct {
	log      *slog.Logger
	mu       sync.Mutex
	failures map[string]failure // by call
}

type failure struct {
	since time.Time
	text  string
}

// note keeps how a call went, and logs when that changes.
func (h *health) note(call string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, failing := h.failures[call]
	switch {
	case err == nil && failing:
		delete(h.failures, call)
		h.log.Info("the Kubernetes API answers again", "call", call)
	case err != nil && !failing:
		text := sentence(call, err)
		h.failures[call] = failure{time.Now(), text}
		h.log.Error("the Kubernetes API fails; it is tried again", "call", call, "error", err, "why", text)
	case err != nil:
		h.failures[call] = failure{was.since, sentence(call, err)}
	}
}

func sentence(call string, err error) string {
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Sprintf("The Kubernetes API does not let this pod %s: its service account needs get and update of the Leases and list of the pods.", call)
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("This pod can't %s, which is not there: the chart makes one for each partition.", call)
	}
	return fmt.Sprintf("This pod can't %s: the Kubernetes API does not answer.", call)
}

// problem is what has failed for some time, the same at each call.
func (h *health) problem() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var calls []string
	for call, f := range h.failures {
		if time.Since(f.since) > patience {
			calls = append(calls, call)
		}
	}
	if len(calls) == 0 {
		return ""
	}
	return h.failures[slices.Min(calls)].text
}
