package search

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"

	"chat-system/internal/chat"
)

// The fields of a message in Local.
const (
	chatField  = "chat"  // application:chat
	termsField = "terms" // every part of minPart characters, and the shorter beginnings of every word
	storeField = "store" // the message, encoded
)

// Local is an Index on the local disk, for one process: bleve's scorch, used below bleve's own analysis and queries,
// which would compile twice the packages and could not be held to the order of hits that this package defines.
//
// The index only narrows a search down to candidates; terms.score decides. A search that matches most of a chat
// therefore reads most of that chat: some milliseconds per thousand messages.
type Local struct {
	engine  index.Index
	workers *index.AnalysisQueue
	writing sync.Mutex   // a Put reads what is there and then writes
	open    sync.RWMutex // held for reading by whoever uses engine
	closed  bool
}

var errClosed = errors.New("search: the index is closed")

// OpenLocal opens the index in a folder, which is made when missing. It fails when another process has it open.
func OpenLocal(dir string) (*Local, error) {
	workers := index.NewAnalysisQueue(1)
	// A batch is on the disk before it counts as done, unless unsafe_batch is set.
	engine, err := scorch.NewScorch(scorch.Name, map[string]any{"path": dir, "bolt_timeout": "1s"}, workers)
	if err == nil {
		err = engine.Open()
	}
	if err != nil {
		workers.Close()
		return nil, fmt.Errorf("search: can't open the index in %s: %w", dir, err)
	}
	return &Local{engine: engine, workers: workers}, nil
}

// Close implements Index. It waits for what is under way.
func (l *Local) Close() error {
	l.open.Lock()
	defer l.open.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	err := l.engine.Close()
	l.workers.Close()
	return err
}

// Ready implements Index.
func (l *Local) Ready(context.Context) error {
	l.open.RLock()
	defer l.open.RUnlock()
	if l.closed {
		return errClosed
	}
	return nil
}

// Empty says whether nothing was ever put.
func (l *Local) Empty() (bool, error) {
	l.open.RLock()
	defer l.open.RUnlock()
	if l.closed {
		return false, errClosed
	}
	s, err := l.snapshot()
	if err != nil {
		return false, err
	}
	defer func() { _ = s.Close() }()
	n, err := s.DocCount()
	return n == 0, err
}

// Put implements Index. It refuses nothing.
func (l *Local) Put(ctx context.Context, messages []chat.Message) ([]Refusal, error) {
	l.open.RLock()
	defer l.open.RUnlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	newest := map[string]chat.Message{}
	for _, m := range messages {
		if old, ok := newest[documentID(m)]; !ok || old.Version < m.Version {
			newest[documentID(m)] = m
		}
	}
	if err := l.dropOlder(newest); err != nil {
		return nil, err
	}
	if len(newest) == 0 {
		return nil, nil
	}
	batch := index.NewBatch()
	for id, m := range newest {
		batch.Update(localDocument(id, m))
	}
	if err := l.engine.Batch(batch); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return nil, nil
}

// dropOlder leaves out the messages that are there in a higher version. One of the same version is written again: what
// is visible may have failed to reach the disk, and then this is the repetition that has to bring it there.
func (l *Local) dropOlder(messages map[string]chat.Message) error {
	s, err := l.snapshot()
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	ids := make([]string, 0, len(messages))
	for id := range messages {
		ids = append(ids, id)
	}
	for _, seg := range s.Segments() {
		there, err := seg.DocNumbers(ids)
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		for it := there.Iterator(); it.HasNext(); {
			old, err := stored(seg, uint64(it.Next()))
			if err != nil {
				return err
			}
			if m := messages[documentID(old)]; m.Version < old.Version {
				delete(messages, documentID(old))
			}
		}
	}
	return nil
}

func (l *Local) snapshot() (*scorch.IndexSnapshot, error) {
	r, err := l.engine.Reader()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return r.(*scorch.IndexSnapshot), nil
}

func localDocument(id string, m chat.Message) *document.Document {
	const terms = index.IndexField | index.SkipFreqNorm
	doc := document.NewDocument(id)
	doc.AddField(document.NewTextFieldCustom(chatField, nil, []byte(chatKey(scopeOf(m))), terms, nil))
	doc.AddField(document.NewTextFieldCustom(termsField, nil, []byte(m.Body), terms, localAnalyzer{}))
	doc.AddField(document.NewTextFieldCustom(storeField, nil, encodeMessage(m), index.StoreField, nil))
	return doc
}

// localAnalyzer makes the terms of a body.
type localAnalyzer struct{}

func (localAnalyzer) Analyze(body []byte) analysis.TokenStream {
	folded := fold(string(body))
	found := map[string]struct{}{}
	for _, p := range parts(folded) {
		found[p] = struct{}{}
	}
	for _, w := range texts(folded, wordsOf(folded)) {
		for n := 1; n < minPart; n++ {
			found[firstRunes(w, n)] = struct{}{}
		}
	}
	tokens := make(analysis.TokenStream, 0, len(found))
	for t := range found {
		tokens = append(tokens, &analysis.Token{Term: []byte(t), Position: 1})
	}
	return tokens
}

// parts are all runs of minPart characters.
func parts(folded string) []string {
	var out []string
	var starts [minPart]int // of the last characters, in turn
	n := 0
	for i := range folded {
		if n >= minPart {
			out = append(out, folded[starts[n%minPart]:i])
		}
		starts[n%minPart] = i
		n++
	}
	if n >= minPart {
		out = append(out, folded[starts[n%minPart]:])
	}
	return out
}

// firstRunes are the first n characters, or all if there are fewer.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return strings.Clone(s[:i])
		}
		n--
	}
	return strings.Clone(s)
}
