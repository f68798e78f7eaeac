package model

// The state of one partition. Everything is a small array of bytes, so that a state is compared and hashed as it lies.

const (
	maxWrites  = 4
	maxScopes  = 2
	maxNumbers = 4  // of a scope
	maxStream  = 10 // entries of a stream
	maxBatch   = 3  // entries of a read, and of a flush

	marker  = 200 // Entry.Write of a marker
	nothing = 255 // Sink.Keep: the sink needs nothing of the stream
)

// Entry of the stream. Of a marker, Number is the version of the cursor that it names.
type Entry struct{ Version, Write, Number, Generation uint8 }

// Position is the place of an entry.
type Position struct{ Version, Generation uint8 }

func (e Entry) position() Position { return Position{e.Version, e.Generation} }

// Answer is what an Idempotency-Key replays.
type Answer struct{ Number, Version uint8 }

// Body is what stands under a number: the write whose text it is, plus one, and its version. 0: nothing does.
type Body struct{ Write, Version uint8 }

// Row of a message; Created is the write that made it, plus one.
type Row struct {
	Created uint8
	Body
}

// Open is the hash in which a Redis keeps how the partition is open.
type Open struct {
	Replid, Generation     uint8
	Floor, FloorGeneration uint8 // up to which version, and from before which generation, all is void
	Ask                    uint8 // 1: keys that Redis misses are asked for in the database
	Cleaned                uint8 // up to which version what was committed is out of pending
	Closed                 uint8 // for a restore
}

// Counter is the last number given in a scope, and the version of the scope's last edit.
type Counter struct{ Number, Generation, Edited uint8 }

// Redis is one instance with what it holds.
type Redis struct {
	Up, Replid, Last, Length uint8 // Last: the stream's last version
	Open                     Open
	Stream                   [maxStream]Entry
	Counters                 [maxScopes]Counter
	Pending                  [maxScopes][maxNumbers]Body
	Keys                     [maxWrites]Answer
}

func (r *Redis) entries() []Entry { return r.Stream[:r.Length] }

// opened: it was opened as what it is.
func (r *Redis) opened() bool { return r.Open.Generation != 0 && r.Open.Replid == r.Replid }

// The states of a sink's cursor.
const (
	follow = iota
	resync
)

// SinkCursor is how far the index has what the database has.
type SinkCursor struct {
	Position Position
	State    uint8
}

// Letter is a dead letter.
type Letter struct{ Number, Version, Stored uint8 }

// SQL is the database.
type SQL struct {
	Cursor             Position
	Generation, Replid uint8 // Replid: the Redis for which the generation was taken
	Committed          uint8 // set of the writes that were ever stored
	Sink               SinkCursor
	Rows               [maxScopes][maxNumbers]Row
	Dead               [maxWrites]Letter
	Keys               [maxWrites]Answer
	Conflicts          uint8            // set of the writes of a backup that are dead letters: their number was given anew
	Holes              [maxScopes]uint8 // numbers that a restore recorded as given up
}

// Backup is what one holds: the stream.
type Backup struct {
	Up, Length uint8
	Stream     [maxStream]Entry
}

func (b *Backup) entries() []Entry { return b.Stream[:b.Length] }

// Pod is one request of an API pod and the generation that its pod knows.
type Pod struct {
	At, Write    uint8 // At: which step comes next
	Generation   uint8 // the pod's
	Sent         uint8 // the generation in which accept.lua was asked
	Asked        uint8 // the generation in which the database was asked for the key
	Seen, Replid uint8 // STALE: the generation in Redis, and its replid
	Opened       uint8 // STALE: that Redis was opened as what it is
	New          uint8 // the generation won, or the one that came with the reading of the highest number
	Number       uint8 // seeding: the highest number known
	Cursor       Position
	Connection   uint8 // 1: to the old master
}

// Worker flushes the partition.
type Worker struct {
	At, Connection       uint8
	Cursor               Position
	Generation           uint8 // of the cursor row when it was read
	From                 uint8 // cleaning: the version up to which all is clean
	Own                  uint8 // reading: 1 the position's own entry came first
	Batch, Unproved      uint8 // entries of Buffer that are to be flushed; those that were read and are not proved yet
	Seen, Replid, Opened uint8 // as Pod's
	New                  uint8
	Buffer               [maxBatch]Entry
}

// Sink follows into the index.
type Sink struct {
	At, Connection uint8
	Keep           uint8 // what the flusher's trimming leaves for it; 0: not known yet
	Cursor         SinkCursor
	Committed      Position // the database's cursor when it was read
	Generation     uint8    // of the database's row then
	Own, Read      uint8
	To             Position
	Row            uint8 // the next row of a scan
	Buffer         [maxBatch]Entry
}

// Flusher is a process with a worker and a sink.
type Flusher struct {
	Worker Worker
	Sink   Sink
}

// Client has sent a write, or not; Number and Version are the answer's.
type Client struct{ State, Number, Version uint8 }

// The states of a Client.
const (
	unsent = iota
	sent
	acknowledged
	refused
)

// Operator retries a dead letter: the row is stored, the index is still to be told.
type Operator struct{ At, Letter uint8 }

// Budget is how often each fault may still happen.
type Budget struct {
	Restart    uint8 // Redis restarts with all that it had
	Snapshot   uint8 // a replica falls behind, or a file is kept
	Lag        uint8 // the replica is promoted, Redis restarts from the file; what it was is kept in its place
	Flushall   uint8
	Disk       uint8 // Redis restarts empty
	Split      uint8 // the replica is promoted and the old master goes on
	Failback   uint8 // the old master is the master again, without a restart
	Crash      uint8 // a process dies, or a reply is lost
	Again      uint8 // a client repeats what was acknowledged or is under way
	ScriptFail uint8 // XADD fails
	Expire     uint8 // a counter's life ends
	SQL        uint8 // the database fails over to a replica that lacks a transaction
	Share      uint8 // another request of a pod learns a generation
	Shed       uint8 // a sink gives up following
	Retry      uint8 // of dead letters
	Backup     uint8 // one is taken
	Restore    uint8 // one is begun
	Overdue    uint8 // a partition is closed for longer than its time
}

// State of everything.
type State struct {
	Redis, Old, Snapshot Redis
	SQL, Replica         SQL // Replica: one transaction behind
	Pods                 [2]Pod
	Flushers             [2]Flusher
	Clients              [maxWrites]Client
	Index                [maxScopes][maxNumbers]Body
	Operator             Operator
	Backup               Backup
	Restore              Restore
	Budget               Budget
	NextReplid, Clock    uint8
	Lost                 uint8 // set of acknowledged writes that a fault took before they were stored
	Diverged             uint8 // there was an old master beside the new one
}

// Write is what a client wants.
type Write struct {
	Edit   bool
	Scope  uint8
	Target int  // of an edit: the write that it edits
	Poison bool // the database refuses it for its data
}

// Config is what a search goes through: the writes, the faults and the bounds.
type Config struct {
	Name       string
	Writes     []Write
	Budget     Budget
	Without    Rules // what is taken back of the protocol
	Pods       int
	Flushers   int
	Sinks      bool
	Generation uint8 // the highest one that is opened
	Retain     uint8 // entries that stay in the stream below the cursor
	Clock      bool  // no version is ever given twice; else the clock stands, and a version is the last one plus one
	Wild       bool  // a process may also go back to the old master
	MayLose    bool  // what is lost beside an old master is a note, no violation: it is a documented limit
	Unopened   bool  // begins with an empty Redis and an empty database; else opened in generation 1
	Stepwise   bool  // reading the cursor, the stream and the proof are steps of their own, and a batch is gathered by several
}
