package controller

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// report is what the program tells of any task, in JSON, in its container's termination message, which holds 4096 bytes.
type report struct {
	Error  string `json:"error"`
	Reason string `json:"reason"`

	// of taking a backup
	Location     string     `json:"location"`
	Method       string     `json:"method"`
	Consistent   *bool      `json:"consistent"`
	RedisVersion string     `json:"redisVersion"`
	Size         int64      `json:"size"`
	SHA256       string     `json:"sha256"`
	Shards       []shard    `json:"shards"`
	Keys         int64      `json:"keys"`
	Entries      int64      `json:"entries"`
	VerifiedAt   *time.Time `json:"verifiedAt"`

	// of pruning
	Kept          *[]string `json:"kept"`
	KeptTruncated bool      `json:"keptTruncated"` // there are more than fit

	// of restoring
	Stored        int64 `json:"stored"`
	AlreadyStored int64 `json:"alreadyStored"`
	GivenUp       int64 `json:"givenUp"`
	DeadLettered  int64 `json:"deadLettered"`
	Partitions    int64 `json:"partitions"`
	ClosedNs      int64 `json:"closedNs"`
}

type shard struct {
	SHA256 string `json:"sha256"`
}

// report of the pod of a Job that ended last; nil where there is none that can be read.
func (c *controller) report(ctx context.Context, job *batchv1.Job) (*report, error) {
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods, client.InNamespace(c.Namespace), client.MatchingLabels{jobUIDLabel: string(job.UID)}); err != nil {
		return nil, err
	}
	var last *corev1.ContainerStateTerminated
	main := job.Spec.Template.Spec.Containers[0].Name
	for i := range pods.Items {
		statuses := pods.Items[i].Status.ContainerStatuses
		at := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == main && s.State.Terminated != nil })
		if at < 0 {
			continue
		}
		if t := statuses[at].State.Terminated; last == nil || last.FinishedAt.Before(&t.FinishedAt) {
			last = t
		}
	}
	if last == nil {
		return nil, nil //nolint:nilnil // the pod is gone, or never started: there is no report and no error
	}
	r := &report{}
	if err := json.Unmarshal([]byte(last.Message), r); err != nil {
		return nil, nil //nolint:nilnil,nilerr // it was killed before it told anything
	}
	if r.SHA256 == "" && len(r.Shards) > 0 {
		r.SHA256 = r.Shards[0].SHA256
	}
	return r, nil
}
