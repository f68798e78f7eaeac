package apitest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var transport = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true, IdleConnTimeout: time.Second}, // below every server's
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// client asks a server and validates what goes to and fro.
type client struct {
	t      testing.TB
	target Target
}

func newClient(t testing.TB, target Target) *client { return &client{t, target} }

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request; the header fields are names and values in turn, where an empty value takes away what is there by
// itself. A body goes as application/json unless they say otherwise.
func (c *client) Do(method, path, body string, header ...string) *answer {
	c.t.Helper()
	a, err := c.try(method, path, body, header...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// try is Do for goroutines other than the test's.
func (c *client) try(method, path, body string, header ...string) (*answer, error) {
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.target.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.target.AdminToken != "" {
		request.Header.Set("Authorization", "Bearer "+c.target.AdminToken)
	}
	for i := 0; i < len(header); i += 2 {
		switch {
		case header[i+1] == "":
			request.Header.Del(header[i])
		case i > 1 && header[i] == header[i-2]:
			request.Header.Add(header[i], header[i+1])
		default:
			request.Header.Set(header[i], header[i+1])
		}
	}
	response, err := transport.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(got))
	request.Body = io.NopCloser(strings.NewReader(body))
	what := method + " " + path
	for _, fault := range theSpec().check(request, response, got) {
		c.t.Errorf("%s: %s", what, fault)
	}
	return &answer{c.t, what, response.StatusCode, response.Header, got}, nil
}

func (c *client) Get(path string, header ...string) *answer {
	c.t.Helper()
	return c.Do(http.MethodGet, path, "", header...)
}

func (c *client) Post(path, body string, header ...string) *answer {
	c.t.Helper()
	return c.Do(http.MethodPost, path, body, header...)
}

// want fails the test unless the answer has the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s: %d %s, want %d", a.what, a.Status, a.Body, status)
	}
	return a
}

// decode reads the answer's JSON.
func decode[T any](a *answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal(a.Body, &v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.Body)
	}
	return v
}

// application is what the service shows of one; so are the others.
type application struct {
	Name       string    `json:"name"`
	Token      string    `json:"token"`
	ChatsCount int64     `json:"chats_count"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
}

type chatAnswer struct {
	Number        int64     `json:"number"`
	MessagesCount int64     `json:"messages_count"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
}

type message struct {
	Number    int64     `json:"number"`
	Body      string    `json:"body"`
	Highlight string    `json:"highlight"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Instance  string `json:"instance"`
	RequestID string `json:"request_id"`
	Error     string `json:"error"`
	Errors    []struct {
		Detail    string `json:"detail"`
		Pointer   string `json:"pointer"`
		Parameter string `json:"parameter"`
	} `json:"errors"`
}

// problem takes the answer for a problem document of a status and a kind, with faults at the places that are named.
func (a *answer) problem(status int, slug string, places ...string) problem {
	a.t.Helper()
	a.want(status)
	if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" {
		a.t.Fatalf("%s: %s is no problem document", a.what, ct)
	}
	p := decode[problem](a)
	if p.Type != "/docs#"+slug || p.Status != status || p.Error != p.Title || p.RequestID != a.Header.Get("X-Request-Id") {
		a.t.Errorf("%s: %s, want %s", a.what, a.Body, slug)
	}
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Pointer+e.Parameter)
	}
	if strings.Join(got, " ") != strings.Join(places, " ") {
		a.t.Errorf("%s: faults at %q, want %q", a.what, got, places)
	}
	return p
}

// app makes an application and gives the path of it.
func (c *client) app() string {
	c.t.Helper()
	return "/applications/" + decode[application](c.Post("/applications", `{"name":"a test"}`).want(201)).Token
}

// chat makes a chat in an application of its own and gives the path of it.
func (c *client) chat() string {
	c.t.Helper()
	return c.Post(c.app()+"/chats", "").want(202).Header.Get("Location")
}

// say posts a message and gives the path of it.
func (c *client) say(chat, body string) string {
	c.t.Helper()
	return c.Post(chat+"/messages", quoted("body", body)).want(202).Header.Get("Location")
}

// quoted is {"name": value}.
func quoted(name, value string) string {
	b, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		panic(err)
	}
	return string(b)
}
