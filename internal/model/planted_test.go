package model

import (
	"testing"
)

// one is one pod and one flusher: enough for many a break, and far fewer states.
func one(c Config) Config {
	c.Pods, c.Flushers = 1, 1
	return c
}

// named is one of Configs.
func named(name string) Config {
	for _, c := range Configs() {
		if c.Name == name {
			return c
		}
	}
	panic("no configuration " + name)
}

var (
	flushedBack = Config{Writes: two, Budget: Budget{Snapshot: 1, Lag: 1, Flushall: 1, Again: 1}, Generation: 4}
	cameBack    = Config{Writes: two, Budget: Budget{Snapshot: 1, Lag: 2}, Generation: 4, Sinks: true}
	expired     = Config{Writes: three, Budget: Budget{Expire: 1, Restart: 1}, Generation: 3, Flushers: 1}
	refusedLast = Config{Writes: []Write{{Poison: true}, {}}, Budget: Budget{Expire: 1}, Generation: 2}
	retried     = Config{Writes: poison, Budget: Budget{Shed: 1, Retry: 1}, Generation: 1, Sinks: true, Pods: 1}
	keyed       = Config{Writes: two, Budget: Budget{Flushall: 1, Restart: 1, Crash: 1}, Generation: 4, Flushers: 1}
	restarted   = Config{Writes: three, Budget: Budget{Restart: 1}, Generation: 3}
	split       = Config{Writes: two, Budget: Budget{Snapshot: 1, Split: 1}, Generation: 4, Wild: true}
)

// planted are the rules taken back, alone or where two guard the same thing together, and what then breaks.
var planted = []struct {
	in    Config
	taken Rules
	what  string
}{
	{named("unopened"), Without(AcceptProvesGeneration), numberTaken},
	{named("search-lag"), Without(AcceptProvesRedis), numberGivenAgain},
	{named("search-lag"), Without(CounterOfGeneration), numberGivenAgain},
	{named("xadd"), Without(EntryBeforeCounter), wrongCounter},
	{one(restarted), Without(PendingVouches, CounterVouches), numberGivenAgain},
	{restarted, Without(SeedAsksPendingFirst, CounterVouches), numberGivenAgain},
	{named("lag-flushall"), Without(FloorVoidsPending), gap},
	{one(flushedBack), Without(FloorVoidsKeys), notStored},
	{named("share"), Without(KeyOutlivesRedis), keyTwice},
	{keyed, Without(KeyAskedInGeneration), keyTwice},
	{one(named("lag-flushall")), Without(FloorVoidsCounters), gap},
	{named("lag-restart"), Without(SeedReadsGeneration), gap},
	{named("lag-flushall-edit"), Without(SeedOfSameGeneration), editWithoutRow},
	{named("lag-restart"), Without(SeedRefusesGeneration), gap},
	{expired, Without(SeedRefusesOld), numberGivenAgain},
	{named("unopened"), Without(SeedRaises), numberTaken},
	{one(refusedLast), Without(SeedCountsDeadLetters), numberGivenAgain},
	{named("unopened"), Without(OpenCompares), podLivelock},
	{named("share"), Without(OpenWaitsForFlush), notStored},
	{one(split), Without(OpenLeavesSuperseded), notStored},
	{named("lag-back"), Without(OpenExpectsRedis), stalled},
	{named("xadd"), Without(OpenRaises, OpenKeepsAboveFloor), stalled},
	{named("flushall-restart"), Without(OpenIsNotSentAgain), stalled},
	{named("unopened"), Without(OpenMarksLoss), stalled},
	{named("unopened"), Without(MarkerKeeps), notStored},
	{named("lag-flushall-edit"), Without(PositionHasGeneration), editWithoutRow},
	{named("search-lag"), Without(WorkerOpensLostEnd), indexMisses},
	{named("search-stepwise"), Without(ProofAfterRead), indexMisses},
	{named("search-lag-edit"), Without(ReadBeginsAtFloor), indexMisses},
	{named("split"), Without(FlushComparesPosition), storedTwice},
	{named("share"), Without(FlushComparesGeneration), notStored},
	{named("unopened"), Without(CursorFirst), storedTwice},
	{named("split-edit"), Without(CleanCompares), readMisses},
	{named("split-edit"), Without(CleanSeesEdits), readMisses},
	{named("lag"), Without(CleanAgain), leak},
	{named("lag-back"), Without(CleanAgainProves), leak},
	{named("share"), Without(MarkIsContiguous), leak},
	{restarted, Without(TrimKeepsCursor, TrimToMark), stalled},
	{named("scopes"), Without(TrimToMark), leak},
	{named("search-retry"), Without(SinkBelowCommitted), indexGhost},
	{named("search-lag-edit"), Without(SinkProves), indexMisses},
	{one(cameBack), Without(SinkOfGeneration), indexGhost},
	{named("search-retry"), Without(SinkSkipsDeadLetters), indexGhost},
	{named("search-retry"), Without(SinkCompares), indexMisses},
	{named("search-lag-edit"), Without(IndexKeepsHigher), indexMisses},
	{named("search-stepwise"), Without(ResyncTakesCursorFirst), indexMisses},
	{retried, Without(RewindIsUnique), indexMisses},
	{one(named("restore-live")), Without(ClosedRefuses), restoreLivelock},
	{named("restore-overdue"), Without(OverdueIsOpenedAnew), restoreLivelock},
	{named("restore-overdue"), Without(ReplayAfterFlush), numberTaken},
	{named("restore-overdue"), Without(ReplayComparesGeneration), numberGivenAgain},
	{one(named("restore")), Without(ReplayLeavesStored, ReplayLeavesKeys), storedTwice},
	{named("restore-keys"), Without(ReplayLeavesKeys), storedTwice},
	{one(named("restore")), Without(ReplayLeavesTaken), notStored},
	{named("restore-keys"), Without(ReplayRecordsHoles), replayGap},
	{one(named("search-restore")), Without(ReplayIndexesAll), indexMisses},
	{one(named("restore")), Without(ReplayReopens), wrongCounter},
	{named("restore-never-stored"), Without(CloseAsksKeys), keyTwice},
	{named("restore-edited-later"), Without(CloseRaisesVersions), editDropped},
}

// precautions are rules for what the bounds do not reach: alone taken back, they were not seen to break anything.
var precautions = Without(OpenAboveSeen, WorkerOpensUnequal, MarkerKeepsAtFloorAlone, EditOverLower)

func TestEveryRuleIsPlantedOrAPrecaution(t *testing.T) {
	t.Parallel()
	var all Rules
	for _, p := range planted {
		for _, r := range AllRules() {
			all[r] = all[r] || p.taken.has(r)
		}
	}
	for _, r := range AllRules() {
		if all.has(r) == precautions.has(r) {
			t.Errorf("%s: planted %v, a precaution %v", r, all.has(r), precautions.has(r))
		}
	}
}

func TestWithoutAnyOneRuleAPromiseBreaks(t *testing.T) {
	t.Parallel()
	for _, p := range planted {
		var name string
		for _, r := range AllRules() {
			if p.taken.has(r) {
				name += " " + r.String()
			}
		}
		t.Run(name[1:], func(t *testing.T) {
			t.Parallel()
			c := p.in
			c.Without = p.taken
			r := Search(c, plantedStates, p.what)
			for _, f := range r.Violations() {
				if f.What == p.what {
					t.Logf("%s: %d states, depth %d", f.What, r.States, r.Depth)
					return
				}
			}
			t.Errorf("%s: %d states, depth %d, found %v", c.Name, r.States, r.Depth, r.Violations())
		})
	}
}
