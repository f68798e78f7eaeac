package flusher

import (
	"math"
	"sync"

	"chat-system/internal/chat"
)

// nothing says that a sink needs nothing of a stream.
const nothing = chat.Version(math.MaxInt64)

// keeps is what the sinks still need of the streams.
type keeps struct {
	mu    sync.Mutex
	known bool                      // which sinks there are
	by    map[string][]chat.Version // by sink and partition
}

// sinks names those that there are. Of a new one all is kept until it says what it needs.
func (k *keeps) sinks(names []string, partitions int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	by := make(map[string][]chat.Version, len(names))
	for _, name := range names {
		if by[name] = k.by[name]; by[name] == nil {
			by[name] = make([]chat.Version, partitions)
		}
	}
	k.by, k.known = by, true
}

// set keeps a partition's stream from a version on. A sink that is gone and still at work keeps nothing any more.
func (k *keeps) set(sink string, p int, v chat.Version) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if of := k.by[sink]; of != nil {
		of[p] = v
	}
}

// lowest is the version below which no sink needs the partition's stream; 0 while that is not known.
func (k *keeps) lowest(p int) chat.Version {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known {
		return 0
	}
	low := nothing
	for _, of := range k.by {
		low = min(low, of[p])
	}
	return low
}
