package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
)

const (
	dialTimeout   = 2 * time.Second
	searchTimeout = 5 * time.Second
	adminTimeout  = 30 * time.Second
	bulkTimeout   = 60 * time.Second // of one bulk; Elasticsearch itself gives up after a minute
	maxIdle       = 64               // connections kept for each node
	maxAnswer     = 128 << 20        // bytes; a page of 200 of the longest bodies, each character escaped, stays below
	retryPause    = 50 * time.Millisecond
)

// ElasticConfig of an Elastic. A timeout that is 0 is the default.
type ElasticConfig struct {
	URLs          []string      // of the nodes of one cluster, user and password included where needed
	Alias         string        // of the index, default "messages"; the indices behind it are called Alias-…
	SearchTimeout time.Duration // default 5s
	BulkTimeout   time.Duration // of one bulk of at most 5 MiB, default 60s
}

// Elastic is an Index in Elasticsearch 8: one index behind an alias.
//
// Every request may be sent again, and is, to another node, when a connection breaks or a node answers 502, 503 or 504:
// a document carries its version, and creating or deleting what is there or gone already counts as done. A request that
// ran into its timeout is not repeated.
type Elastic struct {
	config ElasticConfig
	client *elastictransport.Client
	idle   *http.Transport
	target string // the alias that is written and searched
}

// NewElastic makes an Elastic. It connects to nothing yet.
func NewElastic(c ElasticConfig) (*Elastic, error) {
	if c.Alias == "" {
		c.Alias = "messages"
	}
	if c.SearchTimeout == 0 {
		c.SearchTimeout = searchTimeout
	}
	if c.BulkTimeout == 0 {
		c.BulkTimeout = bulkTimeout
	}
	nodes, err := nodesOf(c.URLs)
	if err != nil {
		return nil, err
	}
	idle := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		MaxIdleConnsPerHost:   maxIdle,
		IdleConnTimeout:       time.Minute,
		ForceAttemptHTTP2:     true,
		ExpectContinueTimeout: time.Second,
	}
	client, err := elastictransport.NewClient(
		elastictransport.WithURLs(nodes...),
		elastictransport.WithTransport(idle),
		elastictransport.WithMaxRetries(max(1, len(nodes)-1)),
		elastictransport.WithRetryBackoff(func(int) time.Duration { return retryPause }), // it ends with the context
	)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return &Elastic{config: c, client: client, idle: idle, target: c.Alias}, nil
}

func nodesOf(addresses []string) ([]*url.URL, error) {
	if len(addresses) == 0 {
		return nil, errors.New("search: no address of Elasticsearch")
	}
	var nodes []*url.URL
	for _, a := range addresses {
		u, err := url.Parse(strings.TrimRight(a, "/"))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("search: an address of Elasticsearch is no http or https URL") // it may hold a password
		}
		nodes = append(nodes, u)
	}
	return nodes, nil
}

// Ready says that the alias is there and all its shards can be searched and written.
func (e *Elastic) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.config.SearchTimeout)
	defer cancel()
	if _, err := e.Current(ctx); err != nil {
		return err
	}
	// The state of the cluster does not tell it: an index that was just made is yellow before its shards have started.
	none, partial := 0, false
	return e.call(ctx, esapi.SearchRequest{Index: []string{e.target}, Size: &none, AllowPartialSearchResults: &partial}, nil)
}

// Close closes the connections that are not in use.
func (e *Elastic) Close() error {
	e.idle.CloseIdleConnections()
	return nil
}

// call sends a request and decodes the answer. An error of Elasticsearch is an *engineError.
func (e *Elastic) call(ctx context.Context, r esapi.Request, answer any) error {
	res, err := r.Do(ctx, e.client)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body := io.LimitReader(res.Body, maxAnswer)
	if res.IsError() {
		return readError(res.StatusCode, body)
	}
	if answer == nil {
		answer = new(json.RawMessage)
	}
	if err := json.NewDecoder(body).Decode(answer); err != nil {
		return fmt.Errorf("search: the answer of Elasticsearch: %w", err)
	}
	return nil
}

// engineError is what Elasticsearch answers instead of a result.
type engineError struct {
	status int
	Type   string
	Reason string
	Cause  *engineError `json:"caused_by"`
}

func (e *engineError) Error() string {
	why := e
	for why.Reason == "" && why.Cause != nil { // a search that found a shard missing says so in its cause alone
		why = why.Cause
	}
	return fmt.Sprintf("search: Elasticsearch answers %d: %s: %s", e.status, e.Type, why.Reason)
}

// Is makes 429, which stands for a full queue and for memory running out, ErrBusy.
func (e *engineError) Is(target error) bool {
	return target == ErrBusy && e.status == http.StatusTooManyRequests
}

func readError(status int, body io.Reader) error {
	e := &engineError{status: status, Type: http.StatusText(status)}
	raw, _ := io.ReadAll(io.LimitReader(body, 64<<10)) // what can't be read changes nothing about the status
	var answer struct{ Error engineError }
	if json.Unmarshal(raw, &answer) == nil && answer.Error.Type != "" {
		e.Type, e.Reason, e.Cause = answer.Error.Type, answer.Error.Reason, answer.Error.Cause
	}
	return e
}

// answered says whether an error is an answer of Elasticsearch of that status, and of that type where one is given.
func answered(err error, status int, kind string) bool {
	var e *engineError
	return errors.As(err, &e) && e.status == status && (kind == "" || e.Type == kind)
}

func jsonBody(v any) io.Reader {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only for types that JSON has no form for
	}
	return bytes.NewReader(b)
}
