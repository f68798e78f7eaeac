package model

import (
	"fmt"
	"strings"
)

// Rule is one rule of the protocol, which a Config can take back.
type Rule uint8

// The rules, in the order of a write's way.
const (
	AcceptProvesRedis Rule = iota
	AcceptProvesGeneration
	CounterOfGeneration
	EntryBeforeCounter
	PendingVouches
	CounterVouches
	FloorVoidsPending
	FloorVoidsKeys
	KeyOutlivesRedis
	KeyAskedInGeneration
	FloorVoidsCounters
	SeedAsksPendingFirst
	SeedReadsGeneration
	SeedOfSameGeneration
	SeedRefusesGeneration
	SeedRefusesOld
	SeedRaises
	SeedCountsDeadLetters
	OpenCompares
	OpenWaitsForFlush
	OpenAboveSeen
	OpenLeavesSuperseded
	OpenExpectsRedis
	OpenRaises
	OpenKeepsAboveFloor
	OpenIsNotSentAgain
	OpenMarksLoss
	MarkerKeeps
	MarkerKeepsAtFloorAlone
	PositionHasGeneration
	WorkerOpensUnequal
	WorkerOpensLostEnd
	ProofAfterRead
	ReadBeginsAtFloor
	FlushComparesPosition
	FlushComparesGeneration
	CursorFirst
	EditOverLower
	CleanCompares
	CleanSeesEdits
	CleanAgain
	CleanAgainProves
	MarkIsContiguous
	TrimKeepsCursor
	TrimToMark
	SinkBelowCommitted
	SinkProves
	SinkOfGeneration
	SinkSkipsDeadLetters
	SinkCompares
	IndexKeepsHigher
	ResyncTakesCursorFirst
	RewindIsUnique
	ClosedRefuses
	OverdueIsOpenedAnew
	ReplayAfterFlush
	ReplayComparesGeneration
	ReplayLeavesStored
	ReplayLeavesKeys
	ReplayLeavesTaken
	ReplayRecordsHoles
	ReplayIndexesAll
	ReplayReopens
	CloseAsksKeys
	CloseRaisesVersions
	rules
)

// ruleTexts name the rules and say them.
var ruleTexts = [rules][2]string{
	AcceptProvesRedis:        {"accept-proves-redis", "accept.lua does nothing on a Redis that was not opened as what it is"},
	AcceptProvesGeneration:   {"accept-proves-generation", "accept.lua does nothing for a caller of another generation"},
	CounterOfGeneration:      {"counter-of-generation", "a counter of an older generation gives no numbers before it is seeded"},
	EntryBeforeCounter:       {"entry-before-counter", "accept.lua adds the entry, which can fail, before it changes anything else"},
	PendingVouches:           {"pending-vouches", "a seed is not below what pending holds"},
	CounterVouches:           {"counter-vouches", "a seed is not below a counter that was given after the floor"},
	FloorVoidsPending:        {"floor-voids-pending", "pending at or below the floor is void"},
	FloorVoidsKeys:           {"floor-voids-keys", "answers of keys at or below the floor are void"},
	KeyOutlivesRedis:         {"key-outlives-redis", "after a loss a key that Redis misses is asked for in the database"},
	KeyAskedInGeneration:     {"key-asked-in-generation", "what the database says of a key holds in the generation in which Redis was asked before"},
	FloorVoidsCounters:       {"floor-voids-counters", "a counter given before the floor vouches for nothing"},
	SeedAsksPendingFirst:     {"seed-asks-pending-first", "pending is asked before the database is read, not when the counter is set"},
	SeedReadsGeneration:      {"seed-reads-generation", "the highest number and the generation are read in one statement"},
	SeedOfSameGeneration:     {"seed-of-same-generation", "a reading of another generation than the one in which accept.lua asked is no seed"},
	SeedRefusesGeneration:    {"seed-refuses-generation", "seed.lua does nothing in another generation"},
	SeedRefusesOld:           {"seed-refuses-old", "seed.lua does nothing with a reading that is older than a counter lives"},
	SeedRaises:               {"seed-raises", "seed.lua never lowers a counter that still counts"},
	SeedCountsDeadLetters:    {"seed-counts-dead-letters", "the highest number is also looked for among the dead letters"},
	OpenCompares:             {"open-compares", "the generation rises only from the one that the opener knows"},
	OpenWaitsForFlush:        {"open-waits-for-flush", "raising the generation waits for a flush in flight"},
	OpenAboveSeen:            {"open-above-seen", "the new generation is above the one seen in Redis too"},
	OpenLeavesSuperseded:     {"open-leaves-superseded", "a Redis that another one superseded is not opened again"},
	OpenExpectsRedis:         {"open-expects-redis", "open.lua does nothing on another Redis than the one that said STALE"},
	OpenRaises:               {"open-raises", "open.lua never lowers the generation"},
	OpenKeepsAboveFloor:      {"open-keeps-above-floor", "the cursor's entry keeps no stream where it lies below the floor"},
	OpenIsNotSentAgain:       {"open-is-not-sent-again", "open.lua whose reply was lost is not sent again: the opening starts over"},
	OpenMarksLoss:            {"open-marks-loss", "a stream that does not follow on the cursor gets a marker and a floor"},
	MarkerKeeps:              {"marker-keeps", "a stream whose marker names the cursor follows on it"},
	MarkerKeepsAtFloorAlone:  {"marker-keeps-at-floor-alone", "only the marker at the floor keeps a stream"},
	PositionHasGeneration:    {"position-has-generation", "the cursor's entry is known by its generation too"},
	WorkerOpensUnequal:       {"worker-opens-unequal", "a worker opens a Redis whose generation is above the database's, too"},
	WorkerOpensLostEnd:       {"worker-opens-lost-end", "a worker opens a Redis that came back without its end, though nobody writes"},
	ProofAfterRead:           {"proof-after-read", "that entries follow is proved after they were read"},
	ReadBeginsAtFloor:        {"read-begins-at-floor", "what lies below the marker at the floor is not read"},
	FlushComparesPosition:    {"flush-compares-position", "a flush moves the cursor only from where its entries follow on"},
	FlushComparesGeneration:  {"flush-compares-generation", "a flush moves the cursor only in the generation in which it read"},
	CursorFirst:              {"cursor-first", "the cursor is the first statement of a flush"},
	EditOverLower:            {"edit-over-lower", "an edit applies over a lower version only"},
	CleanCompares:            {"clean-compares", "a pending write that is newer than what was committed stays"},
	CleanSeesEdits:           {"clean-sees-edits", "cleaning compares where the scope has an edit above what was flushed"},
	CleanAgain:               {"clean-again", "a worker that begins cleans what its predecessor committed and did not"},
	CleanAgainProves:         {"clean-again-proves", "what was read for cleaning again is what lies there when it is cleaned"},
	MarkIsContiguous:         {"mark-is-contiguous", "how far all is cleaned rises only from where it stood"},
	TrimKeepsCursor:          {"trim-keeps-cursor", "the entry at the cursor stays in the stream"},
	TrimToMark:               {"trim-to-mark", "what is not cleaned yet is not trimmed"},
	SinkBelowCommitted:       {"sink-below-committed", "a sink never passes what the database has committed"},
	SinkProves:               {"sink-proves", "a sink whose position the stream does not hold is filled from the tables"},
	SinkOfGeneration:         {"sink-of-generation", "a sink reads only a Redis that is open in the database's generation"},
	SinkSkipsDeadLetters:     {"sink-skips-dead-letters", "a sink does not put what the database refused"},
	SinkCompares:             {"sink-compares", "a sink moves its cursor only from where it read it"},
	IndexKeepsHigher:         {"index-keeps-higher", "the index keeps the higher version of a document"},
	ResyncTakesCursorFirst:   {"resync-takes-cursor-first", "a resync takes the database's cursor, then scans"},
	RewindIsUnique:           {"rewind-is-unique", "a sink that is set back gets a cursor that it never had: a scan in flight does not end as if it had seen the row"},
	ClosedRefuses:            {"closed-refuses", "accept.lua takes nothing new while a restore has the partition closed"},
	OverdueIsOpenedAnew:      {"overdue-is-opened-anew", "a partition that was closed for too long goes on in a new generation only"},
	ReplayAfterFlush:         {"replay-after-flush", "a restore begins when all that was accepted is stored"},
	ReplayComparesGeneration: {"replay-compares-generation", "a restore stores only in the generation in which it closed the partition"},
	ReplayLeavesStored:       {"replay-leaves-stored", "what has its row, or is a dead letter, is not stored again"},
	ReplayLeavesKeys:         {"replay-leaves-keys", "a write whose key is stored under another number is not stored again"},
	ReplayLeavesTaken:        {"replay-leaves-taken", "a write whose number was given anew becomes a dead letter"},
	ReplayRecordsHoles:       {"replay-records-holes", "the number of a write that is stored under another one becomes a recorded hole"},
	ReplayIndexesAll:         {"replay-indexes-all", "a restore puts all that its backup names into the index, also what an earlier run stored"},
	ReplayReopens:            {"replay-reopens", "a restore ends with a new generation, in which counters are seeded again"},
	CloseAsksKeys:            {"close-asks-keys", "from its closing on keys that Redis misses are asked for in the database"},
	CloseRaisesVersions:      {"close-raises-versions", "from its closing on versions are above those of the backup"},
}

func (r Rule) String() string { return ruleTexts[r][0] }

// Says what the rule says.
func (r Rule) Says() string { return ruleTexts[r][1] }

// Rules is a set of rules.
type Rules [rules]bool

// Without makes a set.
func Without(taken ...Rule) (s Rules) {
	for _, r := range taken {
		s[r] = true
	}
	return s
}

func (s *Rules) has(r Rule) bool { return s[r] }

// ParseRules reads names of rules with commas between.
func ParseRules(names string) (s Rules, err error) {
	if names == "" {
		return s, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		r := Rule(0)
		for r < rules && r.String() != name {
			r++
		}
		if r == rules {
			return s, fmt.Errorf("there is no rule %q", name)
		}
		s[r] = true
	}
	return s, nil
}

// AllRules gives every rule.
func AllRules() []Rule {
	all := make([]Rule, rules)
	for i := range all {
		all[i] = Rule(i)
	}
	return all
}
