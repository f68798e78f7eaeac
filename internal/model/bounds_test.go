//go:build !race

package model

// How many states a search goes through.
const (
	wholeStates   = 2_000_000
	plantedStates = 1_500_000
)
