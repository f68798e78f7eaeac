package queue

import (
	"encoding/hex"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"chat-system/internal/chat"
)

// Every key of a partition carries the hash tag {p}, so a script touches one slot of a Redis Cluster.

// Partition is where a scope's writes go: its hash modulo the number of partitions.
func Partition(s chat.Scope, partitions int) int {
	var b [41]byte
	return int(xxhash.Sum64(appendScope(b[:0], s)) % uint64(partitions)) //nolint:gosec // positive, and below it
}

func appendScope(b []byte, s chat.Scope) []byte {
	b = strconv.AppendInt(b, s.Application, 10)
	if s.Chat != 0 {
		b = append(b, '/')
		b = strconv.AppendInt(b, s.Chat, 10)
	}
	return b
}

func partitionKey(p int, what string) []byte {
	b := make([]byte, 0, 80)
	b = append(b, "chat:{"...)
	b = strconv.AppendInt(b, int64(p), 10)
	b = append(b, "}:"...)
	return append(b, what...)
}

// StreamKey is every accepted write of the partition, in order.
func StreamKey(p int) string { return streamKey(p) }

// streamKey: every accepted write of the partition, in order.
func streamKey(p int) string { return string(partitionKey(p, "stream")) }

// openKey: a hash that says in which Redis and generation the partition was opened, and below which entry all is void.
func openKey(p int) string { return string(partitionKey(p, "open")) }

// leaderKey: who flushes the partition, for people. It goes by itself when nobody says so any more.
func leaderKey(p int) string { return string(partitionKey(p, "leader")) }

// watchedKey: that somebody wants to know who flushes the partition.
func watchedKey(p int) string { return string(partitionKey(p, "watched")) }

// seqKey: a hash with the last number given in the scope and the generation in which it was given.
func seqKey(p int, s chat.Scope) string { return string(appendScope(partitionKey(p, "seq:"), s)) }

// pendingKey: a hash from number to the newest write that is accepted and not known to be stored.
func pendingKey(p int, s chat.Scope) string {
	return string(appendScope(partitionKey(p, "pending:"), s))
}

// idemKey: the answer given for an Idempotency-Key of the application.
func idemKey(p int, app int64, key [16]byte) string {
	b := strconv.AppendInt(partitionKey(p, "idem:"), app, 10)
	return string(hex.AppendEncode(append(b, ':'), key[:]))
}
