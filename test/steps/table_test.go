//go:build failpoint

package steps

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
)

// step is a place between two statements or commands.
type step struct {
	name    string
	between string
	reaches []string
	faults  []string // nil: all that a step can have
	sql     bool     // a statement follows, which may be late
}

var (
	posts    = []string{"post", "edit", "chat"}
	asks     = []string{"ask for a new key", "ask for a stored key"}
	seeds    = []string{"seed of messages", "seed of chats"}
	openings = []string{
		"opening of a restarted Redis", "opening of an emptied Redis", "opening of a Redis behind",
		"opening of an emptied Redis by a flusher", "opening of a Redis behind by a flusher",
	}
	flushes = []string{"flush"}

	// the second way to a step, and further ones
	further = []string{"written, flushed", "emptied, written, flushed", "restarted, written, flushed", "older copy, written, flushed", "reopened, written, flushed", "answer lost", "dies, written, flushed"}
	// reading changes nothing: what others do is what matters
	forReads = []string{"nothing", "flushed", "written, flushed", "restarted", "emptied", "older copy, written, flushed", "reopened, written, flushed"}
	// what lies in one transaction behind the cursor's lock: others wait, or Redis is lost meanwhile
	inside = []string{"nothing", "flushed", "written", "emptied, written, flushed", "older copy, written, flushed", "restarted, written, flushed", "disconnected", "answer lost", "dies, written, flushed", "dies, emptied"}
	// the index follows the stream and the tables, at its own pace
	behindIndex = []string{"nothing", "written, flushed", "emptied, written, flushed", "older copy, written, flushed", "restarted, written, flushed", "behind, written, flushed", "disconnected", "answer lost", "dies, written, flushed"}
	// a restore is begun again by whoever finds that it did not come to its end
	restores      = []string{"restore", "restore beside new writes", "restore of an older Redis", "restore into several"}
	besideRestore = []string{"nothing", "flushed", "written, flushed", "emptied, written, flushed", "older copy, written, flushed", "restarted, written, flushed", "reopened, written, flushed", "disconnected", "answer lost", "late, flushed", "dies", "dies, written, flushed"}
	// tables alone
	tables = []string{"nothing", "the same", "disconnected", "answer lost", "dies", "dies, the same"}
)

var steps = []step{
	{name: "accept.send", between: "the generation is taken; accept.lua", reaches: posts},
	{name: "accept.unloaded", between: "accept.lua is not known; it is sent whole", reaches: []string{"scripts"}},
	{name: "accept.reply", between: "accept.lua; the answer to the client", reaches: posts},
	{name: "accept.ask", between: "accept.lua asks for a key; the database is asked", reaches: asks, sql: true},
	{name: "accept.asked", between: "the database has answered for a key; accept.lua again", reaches: asks},
	{name: "edit.read", between: "the message is read; its edit is sent", reaches: []string{"edit"}},

	{name: "seed.read", between: "accept.lua asks for a counter; the database is asked", reaches: seeds, sql: true},
	{name: "seed.chats", between: "the highest chat anywhere is read; the highest chat with a row", reaches: []string{"seed of chats"}, sql: true},
	{name: "seed.write", between: "the highest number is read; seed.lua", reaches: seeds},
	{name: "script.unloaded", between: "a script is not known; it is sent whole", reaches: []string{"seed unloaded", "opening of a restarted Redis", "flush, unloaded"}},
	{name: "seed.done", between: "seed.lua; accept.lua again", reaches: seeds},

	{name: "missing.begin", between: "chats without a row are found; the dead letters among them", reaches: []string{"missing chats"}},
	{name: "missing.dead", between: "the dead letters; the cursor is locked", reaches: []string{"missing chats"}, sql: true},
	{name: "missing.locked", between: "the cursor is locked; the rows", reaches: []string{"missing chats"}, faults: inside},
	{name: "missing.inserted", between: "a row; the next one, or the application's count", reaches: []string{"missing chats"}, faults: inside},
	{name: "missing.added", between: "the application's count; the messages of a chat are counted", reaches: []string{"missing chats"}, faults: inside},
	{name: "missing.counted", between: "the messages of a chat are counted; its count", reaches: []string{"missing chats"}, faults: inside},
	{name: "missing.commit", between: "the counts; COMMIT", reaches: []string{"missing chats"}, sql: true},

	{name: "open.cursor", between: "a script said STALE; the cursor is read", reaches: openings, sql: true},
	{name: "open.bump", between: "the cursor is read; its generation is raised", reaches: openings, sql: true},
	{name: "open.bumped", between: "the generation is raised; the row is read", reaches: openings},
	{name: "open.commit", between: "the row is read; COMMIT", reaches: openings, sql: true},
	{name: "open.script", between: "COMMIT; open.lua", reaches: openings},
	{name: "open.done", between: "open.lua; what made it necessary again", reaches: openings},

	{name: "flush.cursor", between: "the cursor is read; where cleaning goes on", reaches: []string{"flush", "flush after another"}},
	{name: "clean.mark", between: "where cleaning goes on is read; XRANGE, or the stream is read", reaches: []string{"flush", "flush after another"}},
	{name: "clean.read", between: "XRANGE; clean.lua", reaches: []string{"flush after another"}},
	{name: "clean.passed", between: "clean.lua; the next entries, or the stream is read", reaches: []string{"flush after another"}},
	{name: "read.unloaded", between: "the proof's script is not known; entries and proof again", reaches: []string{"flush, unloaded"}},
	{name: "flush.read", between: "entries and their proof are read; the next ones, or the transaction", reaches: flushes},
	{name: "flush.begin", between: "what is due is known; BEGIN", reaches: flushes, sql: true},
	{name: "flush.moved", between: "the cursor is moved; the rows", reaches: flushes},
	{name: "flush.inserted", between: "the chats; the messages that they have already", reaches: flushes, faults: inside},
	{name: "flush.counted", between: "the stored messages are counted; the dead ones", reaches: flushes, faults: inside},
	{name: "flush.taken", between: "both are counted; the counts of the chats are set", reaches: flushes, faults: inside},
	{name: "flush.chats", between: "the chats; the messages", reaches: flushes, faults: inside},
	{name: "flush.refused", between: "a row is refused; the rest of its batch", reaches: []string{"flush with refusals"}, faults: inside},
	{name: "flush.messages", between: "the messages; the edits", reaches: flushes, faults: inside},
	{name: "flush.unedited", between: "an edit changes nothing; its row is looked for", reaches: []string{"flush with refusals"}, faults: inside},
	{name: "flush.edits", between: "the edits; the counts of the chats", reaches: flushes, faults: inside},
	{name: "flush.raised", between: "the counts of the chats; those of the applications", reaches: flushes, faults: inside},
	{name: "flush.counts", between: "the counts; the keys", reaches: flushes, faults: inside},
	{name: "flush.known", between: "a key is there; it is renewed", reaches: []string{"flush of a known key"}, faults: inside},
	{name: "flush.keys", between: "the keys; the dead letters", reaches: []string{"flush", "flush with refusals"}, faults: inside},
	{name: "flush.commit", between: "the last statement; COMMIT", reaches: []string{"flush", "flush with refusals"}, sql: true},
	{name: "flush.committed", between: "COMMIT; clean.lua", reaches: []string{"flush", "flush of many"}},
	{name: "clean.more", between: "clean.lua for a part; for the next one", reaches: []string{"flush of many"}},
	{name: "clean.trim", between: "clean.lua; once more, of a stream that is too full", reaches: []string{"flush of a full queue"}},
	{name: "flush.cleaned", between: "clean.lua; the next read", reaches: flushes},

	{name: "message.pending", between: "pending; the row", reaches: []string{"read a message"}, faults: forReads},
	{name: "message.row", between: "there is no row, or a refused edit; its dead letters", reaches: []string{"read no message"}, faults: forReads},
	{name: "messages.chat", between: "the chat; the pending messages of a page", reaches: []string{"read"}, faults: forReads},
	{name: "messages.pending", between: "pending; the rows of a page", reaches: []string{"read"}, faults: forReads},
	{name: "messages.letters", between: "the dead letters; the rows of a page", reaches: []string{"read"}, faults: forReads},
	{name: "chats.pending", between: "pending chats; their rows", reaches: []string{"read"}, faults: forReads},
	{name: "chats.letters", between: "the dead letters of chats; their rows", reaches: []string{"read"}, faults: forReads},
	{name: "chats.counts", between: "the chats; the counters of their messages", reaches: []string{"read"}, faults: forReads},
	{name: "application.row", between: "an application; the counter of its chats", reaches: []string{"read"}, faults: forReads},
	{name: "rename.read", between: "an application is read; its new name", reaches: []string{"rename"}, faults: tables},

	{name: "application.insert", between: "the key; the application", reaches: []string{"application"}, faults: tables},
	{name: "application.commit", between: "the application; COMMIT", reaches: []string{"application"}, faults: tables},
	{name: "application.doubled", between: "the key is there; its answer", reaches: []string{"application, again"}, faults: tables},
	{name: "application.replay", between: "the answer; the application", reaches: []string{"application, again"}, faults: tables},

	{name: "sink.lost", between: "the index is gone; its cursors are dropped", reaches: []string{"search, lost"}, faults: behindIndex},
	{name: "sink.forgotten", between: "the cursors are dropped; another index is made", reaches: []string{"search, lost"}, faults: behindIndex},
	{name: "sink.created", between: "another index is made; its name", reaches: []string{"search, lost"}, faults: behindIndex},
	{name: "sink.current", between: "the index that is searched; its cursors", reaches: []string{"search anew"}, faults: behindIndex},
	{name: "sink.add", between: "its cursors are read; those that lack are added", reaches: []string{"search anew"}, faults: behindIndex},
	{name: "sink.added", between: "the indexes are read; their loops", reaches: []string{"search anew"}, faults: behindIndex},
	{name: "sink.cursors", between: "the index' cursors; the database's", reaches: []string{"search"}, faults: behindIndex},
	{name: "sink.committed", between: "the database's cursors; the depth of the streams", reaches: []string{"search"}, faults: behindIndex},
	{name: "sink.depths", between: "the depth of the streams; the stream, or a resync", reaches: []string{"search"}, faults: behindIndex},
	{name: "sink.read", between: "the stream; what of it was refused", reaches: []string{"search"}, faults: behindIndex},
	{name: "sink.dead", between: "what was refused; the bulk", reaches: []string{"search"}, faults: behindIndex},
	{name: "sink.put", between: "the bulk; the cursors", reaches: []string{"search"}, faults: behindIndex},
	{name: "sink.moved", between: "the cursors; the refusals and COMMIT", reaches: []string{"search", "search, refusing"}, faults: behindIndex},
	{name: "resync.cursor", between: "the database's cursor; the first rows", reaches: []string{"search anew"}, faults: behindIndex},
	{name: "resync.page", between: "a page of rows; the bulk", reaches: []string{"search anew"}, faults: behindIndex},
	{name: "resync.put", between: "the bulk; the refusals and the next page", reaches: []string{"search anew"}, faults: behindIndex},
	{name: "resync.turn", between: "the last page; the cursor", reaches: []string{"search anew"}, faults: behindIndex},

	{name: "close.script", between: "the generation is read; close.lua", reaches: restores, faults: besideRestore},
	{name: "restore.closed", between: "close.lua; what is queued is waited for", reaches: restores, faults: besideRestore},
	{name: "restore.drained", between: "all that was accepted is stored; BEGIN", reaches: restores, faults: besideRestore},
	{name: "restore.locked", between: "the cursor is locked; what the database holds is read", reaches: restores, faults: besideRestore},
	{name: "restore.commit", between: "the last statement; COMMIT", reaches: restores, faults: besideRestore},
	{name: "restore.stored", between: "COMMIT; the next ones, or the partition is opened", reaches: restores, faults: besideRestore},

	{name: "letter.read", between: "a dead letter; its row", reaches: []string{"retry of a letter"}, faults: tables},
	{name: "letter.stored", between: "its row; its state", reaches: []string{"retry of a letter"}, faults: tables},
	{name: "letter.moved", between: "its state; the next one, or COMMIT", reaches: []string{"retry of a letter"}, faults: tables},
	{name: "letter.committed", between: "COMMIT; the indexes", reaches: []string{"retry of a letter"}, faults: tables},
	{name: "letter.row", between: "the row is read; the bulk", reaches: []string{"retry of a letter", "restore into several"}, faults: tables},
	{name: "letter.unindexed", between: "the bulk has failed; the index' cursor", reaches: []string{"retry, index away"}, faults: tables},
	{name: "letter.cursor", between: "the index' cursor is read; it is set back", reaches: []string{"retry, index away"}, faults: tables},
	{name: "letter.discard", between: "a dead letter is read; it is discarded", reaches: []string{"discard of a letter"}, faults: tables},
}

// common are the faults of a step that names none.
func (s step) common() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		if name != "the same" && name != "dies, the same" && (s.sql || !strings.HasPrefix(name, "late")) {
			names = append(names, name)
		}
	}
	return names
}

// The tests wait for engines and time-outs more than they compute: by default more of them run at once than there are processors.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	m.Run()
}

func TestSteps(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		for i, name := range step.reaches {
			t.Run(step.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				r, ok := reaches[name]
				if !ok {
					t.Fatal("there is no such way")
				}
				names := step.faults
				if names == nil {
					names = step.common()
				}
				if i > 0 && step.faults == nil {
					names = further
				}
				w := newWorld(t, max(1, r.partitions))
				for _, fault := range names {
					acts, ok := faults[fault]
					if !ok {
						t.Fatalf("there is no fault %q", fault)
					}
					if !t.Run(fault, func(t *testing.T) { play(t, w, step.name, r, acts) }) && testing.Verbose() {
						t.Logf("%s / %s / %s", step.name, name, fault)
					}
				}
			})
		}
	}
}
