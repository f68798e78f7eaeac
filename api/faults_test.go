package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chat-system/api"
	"chat-system/internal/chat"
)

const somewhere = "/applications/VZKQ3M5J7RWXG2TNLS4HBD6CYA"

// ask gets an answer without looking at openapi.yaml.
func ask(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestErrorsBecomeProblems(t *testing.T) {
	t.Parallel()
	cause := errors.New("sEcReT cause")
	for _, c := range []struct {
		err    error
		status int
		slug   string
		retry  string
		logged bool
	}{
		{&chat.Error{Code: chat.NotFound, Message: "m", Err: cause}, 404, "not-found", "", false},
		{&chat.Error{Code: chat.Gone, Message: "m", Err: cause}, 410, "gone", "", false},
		{&chat.Error{Code: chat.Invalid, Message: "m", Err: cause, Fields: []chat.Field{{Parameter: "cursor", Detail: "d"}}}, 422, "validation-failed", "", false},
		{&chat.Error{Code: chat.KeyReused, Message: "m", Err: cause}, 422, "idempotency-key-reused", "", false},
		{&chat.Error{Code: chat.KeyInUse, Message: "m", Err: cause}, 409, "idempotency-key-in-use", "1", false},
		{&chat.Error{Code: chat.Unavailable, Message: "m", Err: cause}, 503, "unavailable", "1", true},
		{&chat.Error{Code: chat.OutcomeUnknown, Message: "m", Err: cause}, 503, "outcome-unknown", "1", true},
		{&chat.Error{Code: chat.NotEnabled, Message: "m", Err: cause}, 501, "not-enabled", "", false},
		{&chat.Error{Code: 99, Message: "sEcReT"}, 500, "internal-error", "", true},
		{cause, 500, "internal-error", "", true},
		{fmt.Errorf("sEcReT: %w", context.DeadlineExceeded), 500, "internal-error", "", true},
	} {
		b := setup(t, nil)
		b.store.fail = c.err
		response, body := ask(t, "POST", b.url+somewhere+"/chats/1/messages?sEcReT", `{"body":"sEcReT"}`, "X-Request-Id", "the-id")
		var p struct {
			Type, Detail string
			Status       int
			RequestID    string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.status || p.Status != c.status || p.Type != "/docs#"+c.slug || response.Header.Get("Retry-After") != c.retry || p.RequestID != "the-id" {
			t.Errorf("%v: %d %s, Retry-After %q", c.err, response.StatusCode, body, response.Header.Get("Retry-After"))
		}
		if strings.Contains(body, "sEcReT") {
			t.Errorf("%v is told: %s", c.err, body)
		}
		lines := b.logs.with("the-id")
		if (len(lines) == 1) != c.logged || len(lines) > 1 {
			t.Errorf("%v: logged %q", c.err, lines)
		}
		for _, line := range lines {
			for _, want := range []string{"sEcReT", "method=POST", "route=/applications/:token/chats/:chat/messages", "request_id=the-id"} {
				if !strings.Contains(line, want) {
					t.Errorf("%s lacks %s", line, want)
				}
			}
		}
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.store.panics = true
	response, body := ask(t, "GET", b.url+somewhere, "", "X-Request-Id", "the-id")
	if response.StatusCode != http.StatusInternalServerError || strings.Contains(body, "sEcReT") || !strings.Contains(body, "internal-error") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if lines := b.logs.with("the-id"); len(lines) != 1 || !strings.Contains(lines[0], "fake_test.go") {
		t.Errorf("logged %q", lines)
	}
	if response, _ := ask(t, "GET", b.url+"/healthz", ""); response.StatusCode != http.StatusOK {
		t.Errorf("then %d", response.StatusCode)
	}
}

func TestContextHasADeadlineAndATrace(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.RequestTimeout = 7 * time.Second })
	b.store.fail = errors.New("no")
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for i, h := range []struct {
		value string
		valid bool
	}{
		{"00-" + trace + "-00f067aa0ba902b7-01", true},
		{"00-" + trace + "-00f067aa0ba902b7", false},
		{"nonsense", false},
	} {
		ask(t, "GET", b.url+somewhere, "", "traceparent", h.value, "X-Request-Id", fmt.Sprint("request-", i))
		b.store.mu.Lock()
		ctx := b.store.last
		b.store.mu.Unlock()
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left > 7*time.Second || left < time.Second {
			t.Errorf("%v are left", left)
		}
		<-ctx.Done() // the request has ended
		if lines := b.logs.with(fmt.Sprint("request-", i)); len(lines) != 1 || strings.Contains(lines[0], "trace_id="+trace) != h.valid {
			t.Errorf("%s: %q", h.value, lines)
		}
	}
}
