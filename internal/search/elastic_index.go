package search

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// An index is never written under its own name, but under an alias that came into being with it, since Elasticsearch
// creates an index that is written and missing, with a mapping that it guesses.
const ownAlias = "-own"

const firstIndex = "-1"

// Analysis happens in this package, so the mapping takes texts apart in the plainest way: at white space, and into runs
// of minPart characters. What search does not look at is kept in the source alone, as it came.
type (
	indexBody struct {
		Settings settings            `json:"settings"`
		Mappings mappings            `json:"mappings"`
		Aliases  map[string]struct{} `json:"aliases"`
	}
	settings struct {
		// Set, so that an index that nobody searched for a while goes on becoming visible every second: with up to 100 ms
		// to gather a batch and one bulk, a message is found well within 2 s.
		RefreshInterval string    `json:"refresh_interval"`
		Analysis        analyzers `json:"analysis"`
	}
	analyzers struct {
		Tokenizer map[string]tokenizer `json:"tokenizer"`
		Analyzer  map[string]analyzer  `json:"analyzer"`
	}
	tokenizer struct {
		Type string `json:"type"`
		Min  int    `json:"min_gram"`
		Max  int    `json:"max_gram"`
	}
	analyzer struct {
		Type      string `json:"type"`
		Tokenizer string `json:"tokenizer"`
	}
	mappings struct {
		Dynamic    string           `json:"dynamic"`
		Routing    required         `json:"_routing"`
		Source     excludes         `json:"_source"`
		Properties map[string]field `json:"properties"`
	}
	required struct {
		Required bool `json:"required"`
	}
	excludes struct {
		Excludes []string `json:"excludes"`
	}
	field struct {
		Type      string    `json:"type"`
		Analyzer  string    `json:"analyzer,omitempty"`
		Index     *bool     `json:"index,omitempty"`
		DocValues *bool     `json:"doc_values,omitempty"`
		Norms     *bool     `json:"norms,omitempty"`
		Prefixes  *prefixes `json:"index_prefixes,omitempty"`
	}
	prefixes struct {
		Min int `json:"min_chars"`
		Max int `json:"max_chars"`
	}
)

func newIndexBody(aliases ...string) indexBody {
	no := false
	kept := field{Type: "long", Index: &no, DocValues: &no}
	b := indexBody{
		Settings: settings{RefreshInterval: "1s", Analysis: analyzers{
			Tokenizer: map[string]tokenizer{"parts": {Type: "ngram", Min: minPart, Max: minPart}},
			Analyzer:  map[string]analyzer{"parts": {Type: "custom", Tokenizer: "parts"}},
		}},
		Mappings: mappings{
			Dynamic: "strict",
			Routing: required{true},
			Source:  excludes{[]string{"words", "parts"}},
			Properties: map[string]field{
				"chat":       {Type: "keyword"}, // application:chat
				"words":      {Type: "text", Analyzer: "whitespace", Norms: &no, Prefixes: &prefixes{1, minPart - 1}},
				"parts":      {Type: "text", Analyzer: "parts", Norms: &no},
				"number":     {Type: "long", Index: &no}, // sorted by
				"body":       {Type: "text", Index: &no},
				"version":    kept,
				"created_at": kept, // microseconds since 1970, as updated_at
				"updated_at": kept,
			},
		},
		Aliases: map[string]struct{}{},
	}
	for _, a := range aliases {
		b.Aliases[a] = struct{}{}
	}
	return b
}

// ErrNoIndex says that nothing stands behind the alias.
var ErrNoIndex = errors.New("search: there is no index behind the alias")

// Ensure makes the index and its alias where there is none. Many processes may do so at once.
func (e *Elastic) Ensure(ctx context.Context) error {
	_, err := e.Current(ctx)
	if !errors.Is(err, ErrNoIndex) {
		return err
	}
	first := e.config.Alias + firstIndex
	err = e.create(ctx, first, first+ownAlias, e.config.Alias)
	if !answered(err, http.StatusBadRequest, "resource_already_exists_exception") {
		return err
	}
	// Somebody else made it just now, together with the alias, or the alias was taken away.
	if _, err = e.Current(ctx); errors.Is(err, ErrNoIndex) {
		return e.SwapAlias(ctx, first)
	}
	return err
}

// Current is the index behind the alias, ErrNoIndex where there is none.
func (e *Elastic) Current(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	var indices map[string]struct{}
	err := e.call(ctx, esapi.IndicesGetAliasRequest{Name: []string{e.config.Alias}}, &indices)
	if answered(err, http.StatusNotFound, "") || err == nil && len(indices) == 0 {
		return "", ErrNoIndex
	}
	if err != nil {
		return "", err
	}
	if len(indices) > 1 {
		return "", fmt.Errorf("search: the alias %s stands for %d indices", e.config.Alias, len(indices))
	}
	for name := range indices {
		return name, nil
	}
	return "", ErrNoIndex
}

// Exists says whether there is an index of that name.
func (e *Elastic) Exists(ctx context.Context, name string) (bool, error) {
	if err := e.checkName(name); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	err := e.call(ctx, esapi.IndicesGetAliasRequest{Index: []string{name}}, nil)
	if answered(err, http.StatusNotFound, "") {
		return false, nil
	}
	return err == nil, err
}

// CreateIndex makes an empty index that At can write. Its name begins with the alias and a hyphen. One that is there
// already stays as it is.
func (e *Elastic) CreateIndex(ctx context.Context, name string) error {
	if err := e.checkName(name); err != nil {
		return err
	}
	err := e.create(ctx, name, name+ownAlias)
	if answered(err, http.StatusBadRequest, "resource_already_exists_exception") {
		return nil
	}
	return err
}

func (e *Elastic) create(ctx context.Context, name string, aliases ...string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	return e.call(ctx, esapi.IndicesCreateRequest{Index: name, Body: jsonBody(newIndexBody(aliases...))}, nil)
}

// DeleteIndex removes an index for good. One that is gone already is fine; the one behind the alias is refused.
func (e *Elastic) DeleteIndex(ctx context.Context, name string) error {
	if err := e.checkName(name); err != nil {
		return err
	}
	switch current, err := e.Current(ctx); {
	case err != nil && !errors.Is(err, ErrNoIndex):
		return err
	case current == name:
		return fmt.Errorf("search: %s is in use", name)
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	err := e.call(ctx, esapi.IndicesDeleteRequest{Index: []string{name}}, nil)
	if answered(err, http.StatusNotFound, "") {
		return nil
	}
	return err
}

// SwapAlias puts an index behind the alias and takes away whatever was there, in one step.
func (e *Elastic) SwapAlias(ctx context.Context, name string) error {
	if err := e.checkName(name); err != nil {
		return err
	}
	type action struct {
		Index     string `json:"index"`
		Alias     string `json:"alias"`
		MustExist *bool  `json:"must_exist,omitempty"`
	}
	no := false
	body := struct {
		Actions []map[string]action `json:"actions"`
	}{[]map[string]action{
		{"remove": {Index: e.config.Alias + "-*", Alias: e.config.Alias, MustExist: &no}},
		{"add": {Index: name, Alias: e.config.Alias}},
	}}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	return e.call(ctx, esapi.IndicesUpdateAliasesRequest{Body: jsonBody(body)}, nil)
}

// Refresh makes everything visible that was written, which otherwise takes up to a second.
func (e *Elastic) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	return e.call(ctx, esapi.IndicesRefreshRequest{Index: []string{e.target}}, nil)
}

// At is this Elastic bound to one index, whatever the alias stands for. Both share their connections.
func (e *Elastic) At(name string) *Elastic {
	bound := *e
	bound.target = name + ownAlias
	return &bound
}

var indexName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)

// checkName keeps wildcards, lists and the indices of others out of what changes or deletes indices.
func (e *Elastic) checkName(name string) error {
	prefix := e.config.Alias + "-"
	if len(name) <= len(prefix) || name[:len(prefix)] != prefix || !indexName.MatchString(name) {
		return fmt.Errorf("search: an index of %s can't be called %q", e.config.Alias, name)
	}
	return nil
}
