package api_test

import (
	"fmt"
	"io"
	"testing"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
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
	got := map[string]uint64{}
	for _, m := range gather(t, b.registry, "chat_http_request_duration_seconds") {
		name := ""
		for _, l := range m.GetLabel() {
			name += l.GetValue() + " "
		}
		got[name] = m.GetHistogram().GetSampleCount()
		if sum := m.GetHistogram().GetSampleSum(); sum < 0 || sum > 60 {
			t.Errorf("%s took %v s", name, sum)
		}
	}
	want := map[string]uint64{
		"POST /applications 201 ": 1, "GET /applications/:token 200 ": 3, "GET /applications/:token 404 ": 1, "DELETE /applications 405 ": 1,
		"GET /* 404 ": 1, "none none 501 ": 1, "none none 400 ": 1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}
