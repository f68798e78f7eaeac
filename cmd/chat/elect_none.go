//go:build !kubernetes

package main

import "errors"

// elect needs a build with the tag kubernetes.
func elect(env) (election, error) {
	return nil, errors.New("LEADER_ELECTION is kubernetes, which this build leaves out: use the image, or build with -tags kubernetes")
}
