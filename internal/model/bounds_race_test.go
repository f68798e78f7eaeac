//go:build race

package model

// How many states a search goes through: a tenth under the race detector, which makes each cost ten times as much. A
// break is found among the first.
const (
	wholeStates   = 60_000
	plantedStates = 800_000
)
