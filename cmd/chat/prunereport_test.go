package main

import (
	"encoding/json"
	"strings"
	"testing"

	"chat-system/internal/backup"
)

func TestThePruneReportFitsIntoATerminationMessage(t *testing.T) {
	t.Parallel()
	a, b := backup.Decision{Keep: true}, backup.Decision{}
	a.Name, b.Name = "a", "b"
	if text := string(pruneReport([]backup.Decision{a, b})); text != `{"kept":["a"],"deleted":1,"keptTruncated":false}` {
		t.Error(text)
	}
	if text := string(pruneReport(nil)); text != `{"kept":[],"deleted":0,"keptTruncated":false}` {
		t.Error(text)
	}
	var many []backup.Decision
	for range 1000 {
		d := backup.Decision{Keep: true}
		d.Name = strings.Repeat("n", 40)
		many = append(many, d)
	}
	text := pruneReport(many)
	var r struct {
		Kept          []string
		KeptTruncated bool
	}
	if err := json.Unmarshal(text, &r); err != nil || len(text) > 4096 || !r.KeptTruncated || len(r.Kept) < 50 {
		t.Error(err, len(text), r.KeptTruncated, len(r.Kept))
	}
}
