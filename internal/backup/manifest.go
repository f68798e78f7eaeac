package backup

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"chat-system/internal/queue"
)

// Manifest says what a backup is. It is what lies in the storage and, without the details, what a run reports.
type Manifest struct {
	Name         string             `json:"name"`
	Location     string             `json:"location"` // the storage in which it was put
	Method       Method             `json:"method"`
	Consistent   bool               `json:"consistent"` // each shard is of one moment; a dump is not
	RedisVersion string             `json:"redisVersion"`
	Database     int                `json:"database"` // the number of the database in Redis
	Shards       []Shard            `json:"shards"`
	Size         int64              `json:"size"`       // bytes stored
	Keys         int64              `json:"keys"`       // of the database; Redis' own answer until the backup was loaded
	Entries      int64              `json:"entries"`    // of all streams, queued and retained; likewise
	Partitions   int                `json:"partitions"` // likewise
	StartedAt    time.Time          `json:"startedAt"`
	FinishedAt   time.Time          `json:"finishedAt"`
	VerifiedAt   *time.Time         `json:"verifiedAt"` // when it was loaded and agreed; null: not yet
	Error        string             `json:"error"`      // of the last verification; in a report, of the run
	Reason       Reason             `json:"reason"`     // of that error
	Details      []queue.Inspection `json:"details,omitempty"`
}

// Shard is the RDB file of one master.
type Shard struct {
	File    string `json:"file"`
	Size    int64  `json:"size"`    // bytes stored
	SHA256  string `json:"sha256"`  // of the bytes stored, in hex
	RDBSize int64  `json:"rdbSize"` // bytes of the plain RDB
}

// Method is how a backup was taken.
type Method string

// The methods.
const (
	Auto        Method = "auto"        // by replication, or by dump where Redis refuses that
	Replication Method = "replication" // as a replica does: each master of one moment
	Dump        Method = "dump"        // key by key
)

// Verified says whether it was loaded and agreed.
func (m *Manifest) Verified() bool { return m.VerifiedAt != nil && m.Error == "" }

const (
	nameLength    = 100
	shardSuffix   = ".rdb.zst"
	suffix        = ".json"
	nameCharacter = "abcdefghijklmnopqrstuvwxyz0123456789-.TZ"
)

// DefaultName of a backup that is taken at a time.
func DefaultName(at time.Time) string { return at.UTC().Format("20060102T150405Z") }

// CheckName says what is wrong with a backup's name: an Error, Invalid.
func CheckName(name string) error {
	if name == "" || len(name) > nameLength || strings.Trim(name, nameCharacter) != "" || strings.ContainsAny(name[:1], "-.") ||
		strings.Contains(name, "..") || strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(nameCharacter, r) }) {
		return failure(Invalid, "%.120q is no name of a backup: it has up to %d lower-case letters, digits, - and ., and begins with a letter or digit", name, nameLength)
	}
	return nil
}

func manifestFile(name string) string { return name + suffix }

func shardFile(name string, shard int) string {
	return fmt.Sprintf("%s.%d%s", name, shard, shardSuffix)
}

// backupOf is the name of the backup to which a stored file belongs, empty for none.
func backupOf(file string) string {
	name, isManifest := strings.CutSuffix(file, suffix)
	if !isManifest {
		rest, isShard := strings.CutSuffix(file, shardSuffix)
		number := path.Ext(rest)
		if !isShard || len(number) < 2 || strings.Trim(number[1:], "0123456789") != "" {
			return ""
		}
		name = strings.TrimSuffix(rest, number)
	}
	if CheckName(name) != nil {
		return ""
	}
	return name
}

// parseManifest reads the manifest of a backup. What does not belong to it is Corrupt.
func parseManifest(name string, text []byte) (m Manifest, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return m, failure(Corrupt, "the manifest of %s is no manifest: %w", name, err)
	}
	if m.Name != name || len(m.Shards) == 0 {
		return m, failure(Corrupt, "the manifest of %s is that of another backup, %q, or has no shards", name, m.Name)
	}
	for i, s := range m.Shards {
		if s.File != shardFile(name, i) || s.Size <= 0 || s.RDBSize <= 0 || len(s.SHA256) != 64 {
			return m, failure(Corrupt, "the manifest of %s has a wrong shard, %q", name, s.File)
		}
	}
	return m, nil
}

const reportSize = 4096 // bytes of a container's termination message

// Report is the manifest as JSON of at most 4096 bytes: without the details, and where that is still too much without the
// shards and with a shorter error.
func (m Manifest) Report() []byte {
	m.Details = nil
	text, err := json.Marshal(m)
	if err == nil && len(text) > reportSize {
		m.Shards = nil
		text, err = json.Marshal(m)
	}
	for err == nil && len(text) > reportSize && m.Error != "" {
		m.Error = strings.ToValidUTF8(m.Error[:len(m.Error)/2], "")
		text, err = json.Marshal(m)
	}
	if err != nil || len(text) > reportSize { // the rest is short: a location could be a page long
		m.Location = ""
		text, _ = json.Marshal(m)
	}
	return text
}
