package lease

import (
	"fmt"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestSharesOfReadyPodsAreEvenAndCoverEveryShard(t *testing.T) {
	t.Parallel()
	for pods := 1; pods <= 20; pods++ {
		var all []v1.Pod
		for i := range pods {
			all = append(all, v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d", i)}, Status: v1.PodStatus{
				Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue}},
			}})
		}
		for shards := range 40 {
			sum, least, most := 0, shards, 0
			for _, p := range all {
				n := falls(p.Name, all, shards)
				sum, least, most = sum+n, min(least, n), max(most, n)
			}
			if sum != shards || most-least > 1 {
				t.Errorf("%d shards and %d pods: %d are dealt, from %d to %d a pod", shards, pods, sum, least, most)
			}
		}
	}
}

func TestPodsThatGoOrAreNotReadyHaveNoShare(t *testing.T) {
	t.Parallel()
	now := metav1.Now()
	ready := v1.PodStatus{Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue}}}
	pods := []v1.Pod{
		{ObjectMeta: metav1.ObjectMeta{Name: "goes", DeletionTimestamp: &now}, Status: ready},
		{ObjectMeta: metav1.ObjectMeta{Name: "starts"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "other"}, Status: ready},
	}
	for pod, want := range map[string]int{"me": 3, "other": 6, "starts": 3} {
		if got := falls(pod, pods, 6); got != want {
			t.Errorf("%d of 6 fall to %s, and not %d", got, pod, want)
		}
	}
}
