//go:build kubernetes

package main

import (
	"fmt"

	"k8s.io/client-go/rest"

	"chat-system/internal/lease"
)

// elect prepares the election among the pods of a cluster. It is compiled where the tag kubernetes is set, as in the image:
// who tries local mode compiles none of Kubernetes.
func elect(e env) (election, error) {
	api, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("LEADER_ELECTION is kubernetes, and this is no pod with a service account: %w", err)
	}
	return lease.New(lease.Config{
		API: api, Namespace: e.PodNamespace, Name: e.LeaseName, Shards: e.Shards, Pod: e.PodName, Peers: e.LeasePeers, Log: e.log,
	})
}
