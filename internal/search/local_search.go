package search

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"chat-system/internal/chat"
)

// candidate is a message that matched.
type candidate struct {
	place   Cursor
	segment *scorch.SegmentSnapshot
	number  uint64 // within the segment
}

// Search implements Index.
func (l *Local) Search(ctx context.Context, q Query) (Result, error) {
	t := termsOf(q.Text)
	if len(t.words) == 0 {
		return Result{}, nil
	}
	l.open.RLock()
	defer l.open.RUnlock()
	if l.closed {
		return Result{}, unavailable(errClosed)
	}
	s, err := l.snapshot()
	if err != nil {
		return Result{}, unavailable(err)
	}
	defer func() { _ = s.Close() }()
	found, err := candidates(ctx, s, t, q)
	if err != nil {
		return Result{}, unavailable(err)
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.place.score, a.place.score), cmp.Compare(b.place.number, a.place.number))
	})
	limit := pageSize(q.Limit)
	var r Result
	for i, c := range found {
		if i == limit {
			r.Next = found[limit-1].place.String()
			break
		}
		m, err := stored(c.segment, c.number)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return Result{}, unavailable(err)
		}
		r.Hits = append(r.Hits, chat.Hit{Message: m, Highlight: t.highlight(m.Body)})
	}
	return r, nil
}

// candidates finds every hit behind the cursor, in no order.
func candidates(ctx context.Context, s *scorch.IndexSnapshot, t terms, q Query) ([]candidate, error) {
	var found []candidate
	key := chatKey(q.Chat)
	for _, seg := range s.Segments() {
		numbers, err := narrow(seg, t, key)
		if err != nil {
			return nil, err
		}
		for i, it := 0, numbers.Iterator(); it.HasNext(); i++ {
			if i%256 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			n := uint64(it.Next())
			m, err := stored(seg, n)
			if err != nil {
				return nil, err
			}
			score, hit := t.score(fold(m.Body))
			place := Cursor{score, m.Number}
			if hit && (q.After == nil || q.After.precedes(place)) {
				found = append(found, candidate{place, seg, n})
			}
		}
	}
	return found, nil
}

// narrow gives the documents of a segment that may match: those of the chat that hold the indexed terms that every hit
// holds.
func narrow(seg *scorch.SegmentSnapshot, t terms, key string) (*roaring.Bitmap, error) {
	numbers, err := having(seg, chatField, key)
	if err != nil {
		return nil, err
	}
	for _, w := range t.words {
		some := roaring.New()
		for _, all := range w.indexed() {
			with := numbers.Clone()
			for _, one := range all {
				if with.IsEmpty() {
					break
				}
				b, err := having(seg, termsField, one)
				if err != nil {
					return nil, err
				}
				with.And(b)
			}
			some.Or(with)
		}
		numbers = some
	}
	return numbers, nil
}

// indexed gives the ways in which a term can match, each as the indexed terms that are then all there.
func (w term) indexed() [][]string {
	if !w.short {
		return [][]string{parts(w.text)}
	}
	ways := [][]string{w.words}
	if w.typed != "" {
		ways = append(ways, parts(w.typed))
	}
	return ways
}

// having gives the documents of a segment that hold a term, without those that were replaced. It is not to be written.
func having(seg *scorch.SegmentSnapshot, field, term string) (*roaring.Bitmap, error) {
	dict, err := seg.Segment().Dictionary(field)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	list, err := dict.PostingsList([]byte(term), seg.Deleted(), nil)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	it := list.Iterator(false, false, false, nil)
	if o, ok := it.(segment.OptimizablePostingsIterator); ok && o.ActualBitmap() != nil {
		return o.ActualBitmap(), nil
	}
	numbers := roaring.New()
	for {
		p, err := it.Next()
		if err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		if p == nil {
			return numbers, nil
		}
		numbers.Add(uint32(p.Number())) //nolint:gosec // a segment numbers its documents in 32 bits
	}
}

var errStored = errors.New("search: a stored message is damaged")

// stored reads a message of a segment.
func stored(seg *scorch.SegmentSnapshot, number uint64) (chat.Message, error) {
	m, err := chat.Message{}, errStored
	visit := seg.VisitDocument(number, func(field string, _ byte, value []byte, _ []uint64) bool {
		if field == storeField {
			m, err = decodeMessage(value)
		}
		return err != nil // until it is found
	})
	if visit != nil {
		return m, fmt.Errorf("search: %w", visit)
	}
	return m, err
}

// encodeMessage writes application, chat, number, version and the times, then the body.
func encodeMessage(m chat.Message) []byte {
	b := make([]byte, 0, 48+len(m.Body))
	for _, n := range []int64{
		m.ApplicationID, m.ChatNumber, m.Number, int64(m.Version), m.CreatedAt.UnixMicro(), m.UpdatedAt.UnixMicro(),
	} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // and back in decodeMessage
	}
	return append(b, m.Body...)
}

func decodeMessage(b []byte) (chat.Message, error) {
	var n [6]int64
	if len(b) < 8*len(n) {
		return chat.Message{}, errStored
	}
	for i := range n {
		n[i] = int64(binary.BigEndian.Uint64(b[8*i:])) //nolint:gosec // as encodeMessage wrote it
	}
	return chat.Message{
		ApplicationID: n[0], ChatNumber: n[1], Number: n[2], Version: chat.Version(n[3]), Body: string(b[8*len(n):]),
		CreatedAt: time.UnixMicro(n[4]).UTC(), UpdatedAt: time.UnixMicro(n[5]).UTC(),
	}, nil
}
