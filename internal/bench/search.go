package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
	"chat-system/internal/search"
)

const (
	documents = 1_000_000
	inChat    = 100_000 // of them in the chat that is searched
	searchers = 4       // connections: more than that wait for one another in the index, on either side
)

// searches: a search through the service against its very query, sent to Elasticsearch as it is.
func searches(b *bench) error {
	es := enginetest.Elasticsearch(b)
	s, err := b.service()
	if err != nil {
		return err
	}
	index, err := search.NewElastic(search.ElasticConfig{URLs: []string{es.URL}})
	if err != nil {
		return err
	}
	defer func() { _ = index.Close() }()
	if err := index.Ensure(b.ctx); err != nil {
		return err
	}
	api, err := b.start(append(s.env, "ELASTICSEARCH_URL="+es.URL), "api")
	if err != nil {
		return err
	}
	token, err := application(api.addr)
	if err != nil {
		return err
	}
	words := newVocabulary()
	sizes := make([]int64, chats)
	for i := range sizes {
		sizes[i] = (documents - inChat + chats - 2 - int64(i-1)) / (chats - 1)
	}
	sizes[0] = inChat
	nth := byChat(sizes)
	bodies := make([]string, documents)
	for i := range bodies {
		bodies[i] = words.message()
	}
	rows := make([]row, documents)
	for i := range rows {
		rows[i] = nth(int64(i))
		rows[i].body = bodies[i]
	}
	app, err := s.store(b.ctx, token, sizes, documents, func(i int64) row { return rows[i] })
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := put(b.ctx, index, app, rows); err != nil {
		return err
	}
	fmt.Printf("   %d documents put in %.0f s\n", documents, time.Since(begin).Seconds())

	texts := words.queries(64)
	through, direct := make([]*http.Request, len(texts)), make([]*http.Request, len(texts))
	for i, text := range texts {
		path := "http://" + api.addr + "/applications/" + token + "/chats/1/messages/search?q=" + url.QueryEscape(text)
		if through[i], err = http.NewRequestWithContext(b.ctx, http.MethodGet, path, nil); err != nil {
			return err
		}
		if direct[i], err = bareQuery(b.ctx, es.URL, search.Query{Chat: chat.Scope{Application: app, Chat: 1}, Text: text, Limit: chat.DefaultLimit}); err != nil {
			return err
		}
	}
	for _, warm := range [][]*http.Request{direct, through} {
		if _, err := ask(warm, searchers, b.seconds); err != nil {
			return err
		}
	}
	bases, all, err := b.turns(
		func() (*load, error) { return ask(direct, searchers, b.seconds) },
		func() (*load, error) { return ask(through, searchers, b.seconds) })
	if err != nil {
		return err
	}
	var medians []float64
	for i := range all {
		medians = append(medians, float64(all[i].latency.p50())/float64(bases[i].latency.p50()))
	}
	_, p99 := ratios(bases, all)
	b.add(figure{"search in a chat of 100k messages among 1M", "the bare index query", "p99 ≤ 2×", "≤ 1.5×", fmt.Sprintf("p99 %.2f×, p50 %.2f×", p99, median(medians))})
	return nil
}

// put writes the documents that the flusher would write.
func put(ctx context.Context, index *search.Elastic, app int64, rows []row) error {
	const batch = 1000
	created, _ := time.Parse("2006-01-02 15:04:05.000000", stamp)
	for len(rows) > 0 {
		n := min(batch, len(rows))
		ms := make([]chat.Message, n)
		for i, r := range rows[:n] {
			ms[i] = chat.Message{
				ApplicationID: app, ChatNumber: r.chat, Number: r.number, Body: r.body, Version: chat.Version(r.version), CreatedAt: created, UpdatedAt: created,
			}
		}
		refused, err := index.Put(ctx, ms)
		for try := 0; try < 10 && err != nil && ctx.Err() == nil; try++ { // it is full now and then, as the flusher finds it, too
			<-time.After(time.Second)
			refused, err = index.Put(ctx, ms)
		}
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			return fmt.Errorf("%d documents were refused: %s", len(refused), refused[0].Reason)
		}
		rows = rows[n:]
	}
	return index.Refresh(ctx)
}

// bareQuery is what the service sends to Elasticsearch for a query, caught on its way.
func bareQuery(ctx context.Context, es string, q search.Query) (*http.Request, error) {
	var path string
	var body []byte
	catcher := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.RequestURI()
		body, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"hits":{"hits":[]}}`)
	}))
	defer catcher.Close()
	index, err := search.NewElastic(search.ElasticConfig{URLs: []string{catcher.URL}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = index.Close() }()
	if _, err := index.Search(ctx, q); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, es+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// ask keeps connections busy with requests for a while, all of which must be answered 200.
func ask(requests []*http.Request, conns int, d time.Duration) (*load, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	parts := make([]load, conns)
	errs := make([]error, conns)
	start := time.Now()
	for i := range conns {
		wg.Go(func() {
			l := &parts[i]
			for n := i; time.Since(start) < d && errs[i] == nil; n++ {
				errs[i] = l.ask(client, requests[n%len(requests)])
			}
		})
	}
	wg.Wait()
	total := &load{took: time.Since(start)}
	for i := range parts {
		total.requests += parts[i].requests
		total.latency.add(&parts[i].latency)
	}
	return total, errors.Join(errs...)
}

func (l *load) ask(client *http.Client, like *http.Request) error {
	r := like.Clone(like.Context())
	if like.GetBody != nil {
		r.Body, _ = like.GetBody()
	}
	begin := time.Now()
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", r.URL, res.Status)
	}
	l.requests++
	l.latency.record(time.Since(begin))
	return nil
}

// vocabulary makes messages of words, few of which are frequent and most rare, as in languages.
type vocabulary struct {
	random *rand.Rand
	words  []string
	zipf   *rand.Zipf
}

func newVocabulary() *vocabulary {
	v := &vocabulary{random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the same every time
	syllables := strings.Fields("ba be bo da di do fa fe ga go ka ke ki la le lo ma me mi na ne no pa pe ra re ri sa se so ta te ti to va ve")
	for range 20_000 {
		var w strings.Builder
		for range 2 + v.random.IntN(3) {
			w.WriteString(syllables[v.random.IntN(len(syllables))])
		}
		v.words = append(v.words, w.String())
	}
	v.zipf = rand.NewZipf(v.random, 1.1, 10, uint64(len(v.words)-1)) //nolint:gosec // positive
	return v
}

func (v *vocabulary) message() string {
	ws := make([]string, 6+v.random.IntN(12))
	for i := range ws {
		ws[i] = v.words[v.zipf.Uint64()]
	}
	return strings.Join(ws, " ")
}

// queries are of one word, of two, of a beginning and of the middle of a word, in turns.
func (v *vocabulary) queries(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		w := v.words[v.zipf.Uint64()]
		switch i % 4 {
		case 1:
			w += " " + v.words[v.zipf.Uint64()]
		case 2:
			w = w[:2]
		case 3:
			w = w[1:]
		}
		texts[i] = w
	}
	return texts
}
