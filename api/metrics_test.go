package api_test

import (
	"fmt"
	"io"
	"testing"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	before := len(gather(t, b.registry, "chat_http_request_duration_seconds"))
	_, body := ask(t, "POST", b.url+"/applications", `{"name":"a"}`)
	token := body[len(`{"token":"`) : len(body)-len(`"}`)]
	for range 3 {
		ask(t, "GET", b.url+"/applications/"+token, "")
	}
	ask(t, "GET", b.url+"/applications/unknown", "")
	ask(t, "DELETE", b.url+"/applications", "")
	ask(t, "GET", b.url+"/nowhere/"+token, "")
	ask(t, "FOO", b.url+"/", "")
	conn, in := connect(t, b.addr)
	if _, err := io.WriteString(conn, "nonsense\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(in); err != nil {
		t.Fatal(err)
	}
	got, all := map[string]uint64{}, 0
	for _, m := range gather(t, b.registry, "chat_http_request_duration_seconds") {
		name := ""
		for _, l := range m.GetLabel() {
			name += l.GetValue() + " "
		}
		if n := m.GetHistogram().GetSampleCount(); n > 0 {
			got[name] = n
		}
		all++
		if sum := m.GetHistogram().GetSampleSum(); sum < 0 || sum > 60 {
			t.Errorf("%s took %v s", name, sum)
		}
	}
	want := map[string]uint64{
		"POST /applications 2xx ": 1, "GET /applications/:token 2xx ": 3, "GET /applications/:token 4xx ": 1,
		"other other 4xx ": 3, "other other 5xx ": 1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if all != before {
		t.Errorf("%d series, %d before the first request", all, before)
	}
}

func TestReplayedRequestsAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for range 3 {
		ask(t, "POST", b.url+"/applications", `{"name":"a"}`, "Idempotency-Key", `"k"`)
	}
	if n := counter(t, b.registry, "chat_http_replayed_requests_total"); n != 2 {
		t.Errorf("%v replayed requests counted", n)
	}
}
