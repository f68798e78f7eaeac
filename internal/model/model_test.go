package model

import (
	"testing"
	"time"
)

func TestTheProtocolKeepsItsPromises(t *testing.T) {
	t.Parallel()
	limit := wholeStates
	if testing.Short() {
		limit /= 10
	}
	for _, c := range Configs() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			r := Search(c, limit, Any)
			passed := time.Since(start).Seconds()
			t.Logf("%d states, depth %d, complete %v, %.0f states/s", r.States, r.Depth, r.Complete, float64(r.States)/passed)
			for _, f := range r.Violations() {
				t.Errorf("%s:", f.What)
				for _, step := range r.Trace(f) {
					t.Log(step)
				}
			}
		})
	}
}

func TestATraceLeadsToWhatWasFound(t *testing.T) {
	t.Parallel()
	c := named("xadd")
	c.Without = Without(EntryBeforeCounter)
	r := Search(c, plantedStates, Any)
	if v := r.Violations(); len(v) == 0 || len(r.Trace(v[0])) != 1 {
		t.Fatalf("%+v", r)
	}
}

func TestRulesAreParsedByTheirNames(t *testing.T) {
	t.Parallel()
	for _, r := range AllRules() {
		if s, err := ParseRules(r.String()); err != nil || s != Without(r) || r.Says() == "" {
			t.Errorf("%s: %v, %v", r, s, err)
		}
	}
	if s, err := ParseRules(""); err != nil || s != (Rules{}) {
		t.Errorf("none: %v, %v", s, err)
	}
	if _, err := ParseRules("no-such-rule"); err == nil {
		t.Error("a rule that there is not")
	}
}
