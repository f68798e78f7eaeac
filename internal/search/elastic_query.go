package search

import (
	"context"
	"net/http"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"chat-system/internal/chat"
)

// The parts of Elasticsearch's query language that are used here. Exactly one member of a clause is set.
type (
	searchBody struct {
		Query clause              `json:"query"`
		Sort  []map[string]string `json:"sort"`
		After []any               `json:"search_after,omitempty"`
		Size  int                 `json:"size"`
		Total bool                `json:"track_total_hits"` // counting all hits would take longer than finding the first
	}
	clause struct {
		Bool         *boolClause       `json:"bool,omitempty"`
		Score        *scoreClause      `json:"constant_score,omitempty"`
		Term         map[string]string `json:"term,omitempty"`
		Prefix       map[string]string `json:"prefix,omitempty"`
		Phrase       map[string]string `json:"match_phrase,omitempty"`
		PhrasePrefix map[string]string `json:"match_phrase_prefix,omitempty"`
	}
	boolClause struct {
		Filter []clause `json:"filter,omitempty"`
		Should []clause `json:"should,omitempty"`
	}
	scoreClause struct {
		Filter clause `json:"filter"`
		Boost  int    `json:"boost"`
	}
)

type searchAnswer struct {
	Hits struct {
		Hits []struct {
			Score  float64 `json:"_score"`
			Source source  `json:"_source"`
		}
	}
}

// Search implements Index.
func (e *Elastic) Search(ctx context.Context, q Query) (Result, error) {
	t := termsOf(q.Text)
	if len(t.words) == 0 {
		return Result{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.config.SearchTimeout)
	defer cancel()
	limit, partial := pageSize(q.Limit), false
	var answer searchAnswer
	err := e.call(ctx, esapi.SearchRequest{
		Index: []string{e.target}, Routing: []string{chatKey(q.Chat)},
		Body:                      jsonBody(newSearchBody(t, q, limit+1)), // one more tells whether there is a next page
		AllowPartialSearchResults: &partial,
	}, &answer)
	if err != nil {
		if answered(err, http.StatusBadRequest, "") {
			return Result{}, err // a query that it does not understand is a fault, not an outage
		}
		return Result{}, unavailable(err)
	}
	var r Result
	for i, h := range answer.Hits.Hits {
		if i == limit {
			last := answer.Hits.Hits[limit-1]
			r.Next = Cursor{score: int(last.Score), number: last.Source.Number}.String()
			break
		}
		if err := ctx.Err(); err != nil { // hundreds of the longest bodies take a while to mark
			return Result{}, unavailable(err)
		}
		r.Hits = append(r.Hits, chat.Hit{Message: h.Source.message(q.Chat), Highlight: t.highlight(h.Source.Body)})
	}
	return r, nil
}

func newSearchBody(t terms, q Query, size int) searchBody {
	b := searchBody{
		Query: clause{Bool: newQuery(t, chatKey(q.Chat))},
		Sort:  []map[string]string{{"_score": "desc"}, {"number": "desc"}},
		Size:  size,
	}
	if q.After != nil {
		b.After = []any{q.After.score, q.After.number}
	}
	return b
}

// newQuery asks for what terms.score defines. The filter decides what is found, and costs least as one; what adds to the
// score is looked at for hits alone.
func newQuery(t terms, key string) *boolClause {
	b := &boolClause{Filter: []clause{{Term: map[string]string{"chat": key}}}}
	for _, w := range t.words {
		b.Filter = append(b.Filter, w.query())
		if len(w.words) > 0 {
			b.Should = append(b.Should, scored(scoreWhole, wholeWords(w.words)))
		}
	}
	if t.whole != nil {
		b.Should = append(b.Should, scored(scorePhrase, wholeWords(t.whole)))
	}
	if t.exact != "" {
		b.Should = append(b.Should, scored(scoreExact, part(t.exact)))
	}
	return b
}

// query asks for what term.in defines.
func (w term) query() clause {
	if !w.short {
		return part(w.text)
	}
	word := beginning(w.words)
	if w.closed {
		word = wholeWords(w.words)
	}
	if w.typed == "" {
		return word
	}
	return clause{Bool: &boolClause{Should: []clause{word, part(w.typed)}}}
}

func scored(score int, c clause) clause { return clause{Score: &scoreClause{Filter: c, Boost: score}} }

func part(text string) clause { return clause{Phrase: map[string]string{"parts": text}} }

func wholeWords(words []string) clause {
	if len(words) == 1 {
		return clause{Term: map[string]string{"words": words[0]}}
	}
	return clause{Phrase: map[string]string{"words": strings.Join(words, " ")}}
}

func beginning(words []string) clause {
	if len(words) == 1 {
		return clause{Prefix: map[string]string{"words": words[0]}}
	}
	return clause{PhrasePrefix: map[string]string{"words": strings.Join(words, " ")}}
}
