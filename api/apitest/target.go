package apitest

import (
	"testing"
	"time"
)

// Target is the server to test. It must not limit the rate.
type Target struct {
	URL        string // without a slash at its end
	AdminToken string // "": none is needed
	Search     bool   // whether search is on
	// ClientTimeout is the server's, when it is short enough to wait for; 0: slow clients are not tried.
	ClientTimeout time.Duration
	// Found is how long an accepted message may take until it is found; 0: 2 s.
	Found time.Duration
}

// Run runs the whole suite.
func Run(t *testing.T, target Target) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Target){
		"Applications": testApplications,
		"Renames":      testRenames,
		"Chats":        testChats,
		"Messages":     testMessages,
		"Bodies":       testBodies,
		"Edits":        testEdits,
		"EntityTags":   testEntityTags,
		"Windows":      testWindows,
		"Cursors":      testCursors,
		"Idempotency":  testIdempotency,
		"Together":     testTogether,
		"BadInput":     testBadInput,
		"Head":         testHead,
		"Options":      testOptions,
		"RequestIDs":   testRequestIDs,
		"Files":        testFiles,
		"Health":       testHealth,
		"Admin":        testAdmin,
		"OddHTTP":      testOddHTTP,
		"Limits":       testLimits,
		"Slow":         testSlow,
		"Search":       testSearch,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, target)
		})
	}
}
