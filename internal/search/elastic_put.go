package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"chat-system/internal/chat"
)

// A bulk ends after so many documents or bytes, and the document that exceeds them is its last.
const (
	maxBulkDocs  = 1000
	maxBulkBytes = 5 << 20
)

// source is a document as Elasticsearch gets it, and gives it back but for words and parts.
type source struct {
	Chat      string       `json:"chat"`
	Number    int64        `json:"number"`
	Body      string       `json:"body"`
	Words     string       `json:"words,omitempty"` // of the folded body, with one space between
	Parts     string       `json:"parts,omitempty"` // the folded body
	Version   chat.Version `json:"version"`
	CreatedAt int64        `json:"created_at"` // microseconds since 1970
	UpdatedAt int64        `json:"updated_at"`
}

// bulkAction is the line before each document.
type bulkAction struct {
	Index struct {
		ID          string       `json:"_id"`
		Routing     string       `json:"routing"`
		Version     chat.Version `json:"version"`
		VersionType string       `json:"version_type"`
	} `json:"index"`
}

type bulkAnswer struct {
	Errors bool
	Items  []struct {
		Index struct {
			Status int
			Error  engineError
		}
	}
}

func chatKey(s chat.Scope) string {
	return strconv.FormatInt(s.Application, 10) + ":" + strconv.FormatInt(s.Chat, 10)
}

func scopeOf(m chat.Message) chat.Scope {
	return chat.Scope{Application: m.ApplicationID, Chat: m.ChatNumber}
}

func documentID(m chat.Message) string {
	return chatKey(scopeOf(m)) + ":" + strconv.FormatInt(m.Number, 10)
}

// Put implements Index.
func (e *Elastic) Put(ctx context.Context, messages []chat.Message) ([]Refusal, error) {
	var refused []Refusal
	for first := 0; first < len(messages); {
		body, n := bulkBody(messages[first:])
		answer, err := e.bulk(ctx, body)
		if err != nil {
			return nil, err
		}
		if len(answer.Items) != n {
			return nil, fmt.Errorf("search: Elasticsearch answers for %d of %d documents", len(answer.Items), n)
		}
		for i, item := range answer.Items {
			item.Index.Error.status = item.Index.Status
			switch err := item.Index.Error; {
			case item.Index.Status/100 == 2, item.Index.Status == http.StatusConflict: // this or a newer one is there
			case refusesData(&err):
				refused = append(refused, Refusal{Index: first + i, Reason: err.Type + ": " + err.Reason})
			default:
				return nil, &err
			}
		}
		first += n
	}
	return refused, nil
}

// refusesData tells a document that won't ever be taken from an index that isn't as it has to be, which somebody can
// mend: one of another version of this program.
func refusesData(e *engineError) bool {
	return e.status == http.StatusBadRequest && e.Type != "strict_dynamic_mapping_exception"
}

func (e *Elastic) bulk(ctx context.Context, body *bytes.Buffer) (bulkAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.BulkTimeout)
	defer cancel()
	alias := true
	var answer bulkAnswer
	err := e.call(ctx, esapi.BulkRequest{
		Index: e.target, Body: body, RequireAlias: &alias, Timeout: e.config.BulkTimeout,
		FilterPath: []string{"errors", "items.*.status", "items.*.error.type", "items.*.error.reason"},
	}, &answer)
	return answer, err
}

// bulkBody writes messages until a bulk is full, and says how many.
func bulkBody(messages []chat.Message) (*bytes.Buffer, int) {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for i, m := range messages {
		folded := fold(m.Body)
		var a bulkAction
		a.Index.ID, a.Index.Routing = documentID(m), chatKey(scopeOf(m))
		a.Index.Version, a.Index.VersionType = m.Version, "external"
		writeLine(lines, a)
		writeLine(lines, source{
			Chat: a.Index.Routing, Number: m.Number, Body: m.Body, Version: m.Version,
			Words: strings.Join(texts(folded, wordsOf(folded)), " "), Parts: folded,
			CreatedAt: m.CreatedAt.UnixMicro(), UpdatedAt: m.UpdatedAt.UnixMicro(),
		})
		if b.Len() >= maxBulkBytes || i+1 == maxBulkDocs {
			return &b, i + 1
		}
	}
	return &b, len(messages)
}

func writeLine(lines *json.Encoder, v any) {
	if err := lines.Encode(v); err != nil {
		panic(err) // only for types that JSON has no form for
	}
}

func (s source) message(in chat.Scope) chat.Message {
	return chat.Message{
		ApplicationID: in.Application, ChatNumber: in.Chat, Number: s.Number, Body: s.Body, Version: s.Version,
		CreatedAt: time.UnixMicro(s.CreatedAt).UTC(), UpdatedAt: time.UnixMicro(s.UpdatedAt).UTC(),
	}
}
