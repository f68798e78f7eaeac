package search

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
)

// newElastic gives an Elastic on real Elasticsearch with an alias of its own, which is removed after the test.
func newElastic(t *testing.T) *Elastic {
	t.Helper()
	e, err := NewElastic(ElasticConfig{
		URLs: []string{enginetest.SharedElasticsearch(t)}, Alias: enginetest.UniqueName("messages"),
		SearchTimeout: 30 * time.Second, // the machine may be busy
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, name := range indices(ctx, t, e) {
			if err := e.call(ctx, esapi.IndicesDeleteRequest{Index: []string{name}}, nil); err != nil {
				t.Errorf("removing %s: %v", name, err)
			}
		}
		_ = e.Close()
	})
	return e
}

// ensured is newElastic after Ensure.
func ensured(t *testing.T) (*Elastic, engine) {
	t.Helper()
	e := newElastic(t)
	if err := e.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e, engine{e, func(t *testing.T) { refresh(t, e) }}
}

func refresh(t *testing.T, e *Elastic) {
	t.Helper()
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// indices are those that belong to the alias by their name.
func indices(ctx context.Context, t *testing.T, e *Elastic) []string {
	t.Helper()
	var found map[string]any
	if err := e.call(ctx, esapi.IndicesGetRequest{Index: []string{e.config.Alias + "*"}}, &found); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestElasticConforms(t *testing.T) {
	t.Parallel()
	_, e := ensured(t)
	conform(t, e)
}

func TestElasticFindsWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	e, _ := ensured(t)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); { // the machine does other things, too
		scope, begin := newScope(), time.Now()
		put(t, engine{e, func(*testing.T) {}}, messages(scope, "the cat")...) // without a refresh of ours
		eventually(t, 30*time.Second, func() bool { return len(find(t, e, scope, "cat").Hits) == 1 })
		if time.Since(begin) < 2*time.Second {
			return
		}
	}
	t.Error("it takes two seconds, each time for a minute")
}

// eventually waits until something holds, which it asks for again and again.
func eventually(t *testing.T, limit time.Duration, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not so after %s", limit)
		}
	}
}

func TestElasticEnsureByManyAtOnce(t *testing.T) {
	t.Parallel()
	e := newElastic(t)
	if err := e.Ready(t.Context()); err == nil {
		t.Error("ready without an index")
	}
	if _, err := e.Put(t.Context(), messages(newScope(), "cat")); err == nil {
		t.Error("a Put goes somewhere without an index")
	}
	if got := indices(t.Context(), t, e); len(got) > 0 {
		t.Fatalf("that Put made %v", got)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := e.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	want := e.config.Alias + "-1"
	if current, err := e.Current(t.Context()); current != want || err != nil {
		t.Errorf("behind the alias is %q, %v, want %q", current, err, want)
	}
	if got := indices(t.Context(), t, e); !slices.Equal(got, []string{want}) {
		t.Errorf("there are %v", got)
	}
	if err := e.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// An index that stands there without the alias, which somebody took away, is taken into use again.
func TestElasticEnsureAdoptsTheFirstIndex(t *testing.T) {
	t.Parallel()
	e := newElastic(t)
	first := e.config.Alias + firstIndex
	if err := e.CreateIndex(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := e.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if current, err := e.Current(t.Context()); current != first || err != nil {
		t.Errorf("behind the alias is %q, %v", current, err)
	}
}

func TestElasticReindexBehindTheAlias(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e, onAlias := ensured(t)
	first, second := e.config.Alias+"-1", e.config.Alias+"-2"
	for range 2 { // whoever repeats a step finds it done
		if err := e.CreateIndex(ctx, second); err != nil {
			t.Fatal(err)
		}
	}
	scope := newScope()
	put(t, onAlias, messages(scope, "the cat")...)
	bound := e.At(second)
	onSecond := engine{bound, func(t *testing.T) { refresh(t, bound) }}
	put(t, onSecond, messages(scope, "the cat", "the dog")...)
	if a, b := len(find(t, e, scope, "the").Hits), len(find(t, bound, scope, "the").Hits); a != 1 || b != 2 {
		t.Errorf("the alias finds %d, the new index %d", a, b)
	}
	if err := bound.Ready(ctx); err != nil {
		t.Errorf("the new index: %v", err)
	}
	for range 2 {
		if err := e.SwapAlias(ctx, second); err != nil {
			t.Fatal(err)
		}
	}
	if current, err := e.Current(ctx); current != second || err != nil {
		t.Errorf("behind the alias is %q, %v", current, err)
	}
	if got := len(find(t, e, scope, "the").Hits); got != 2 {
		t.Errorf("after the swap %d are found", got)
	}
	if err := e.DeleteIndex(ctx, second); err == nil {
		t.Error("the index in use can be deleted")
	}
	for range 2 {
		if err := e.DeleteIndex(ctx, first); err != nil {
			t.Fatal(err)
		}
	}
	if got := indices(ctx, t, e); !slices.Equal(got, []string{second}) {
		t.Errorf("left are %v", got)
	}
	for name, want := range map[string]bool{first: false, second: true} {
		if there, err := e.Exists(ctx, name); err != nil || there != want {
			t.Errorf("%s exists: %v, %v", name, there, err)
		}
	}
	if _, err := e.At(first).Put(ctx, messages(scope, "late")); err == nil {
		t.Error("a late writer of the old index goes on")
	}
	if got := indices(ctx, t, e); !slices.Equal(got, []string{second}) {
		t.Errorf("the late writer made %v", got)
	}
	if err := e.Ensure(ctx); err != nil {
		t.Error(err)
	}
}

func TestElasticIndexNames(t *testing.T) {
	t.Parallel()
	e, err := NewElastic(ElasticConfig{URLs: []string{"http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "messages", "messages-", "other-1", "messages-*", "messages-1,other", "messages-1/_doc", "Messages-1", "_all"} {
		for what, do := range map[string]func(context.Context, string) error{"create": e.CreateIndex, "swap": e.SwapAlias, "delete": e.DeleteIndex} {
			if err := do(t.Context(), name); err == nil || !strings.Contains(err.Error(), "can't be called") {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
}

// An index that another version of this program made refuses every message. That is no reason to give any of them up.
func TestElasticForeignMapping(t *testing.T) {
	t.Parallel()
	e := newElastic(t)
	name := e.config.Alias + firstIndex
	body := newIndexBody(name+ownAlias, e.config.Alias)
	delete(body.Mappings.Properties, "parts")
	if err := e.call(t.Context(), esapi.IndicesCreateRequest{Index: name, Body: jsonBody(body)}, nil); err != nil {
		t.Fatal(err)
	}
	refused, err := e.Put(t.Context(), messages(newScope(), "cat"))
	if !answered(err, http.StatusBadRequest, "strict_dynamic_mapping_exception") || refused != nil {
		t.Errorf("refused %v, error %v", refused, err)
	}
}

func TestElasticManyBulks(t *testing.T) {
	t.Parallel()
	_, e := ensured(t)
	many, large := newScope(), newScope()
	put(t, e, messages(many, slices.Repeat([]string{"cat"}, 2*maxBulkDocs+1)...)...)
	if got := len(allPages(t, e, many, "cat", chat.MaxLimit)); got != 2*maxBulkDocs+1 {
		t.Errorf("%d found", got)
	}
	put(t, e, messages(large, slices.Repeat([]string{strings.Repeat("cat ", 16_000)}, 100)...)...)
	if got := len(allPages(t, e, large, "cat", chat.MaxLimit)); got != 100 {
		t.Errorf("%d found", got)
	}
}
