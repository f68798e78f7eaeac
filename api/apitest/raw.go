package apitest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wire is a bare connection to the server.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, target Target) *wire {
	t.Helper()
	u, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{t, conn, bufio.NewReader(conn)}
}

// send writes what it can: the server may have closed already.
func (w *wire) send(text string) { _, _ = io.WriteString(w.conn, text) }

// answer reads one answer to a request with the method.
func (w *wire) answer(method string) *answer {
	w.t.Helper()
	r, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("no answer: %v", err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.Close {
		r.Header.Set("Connection", "close")
	}
	if r.StatusCode >= 400 {
		spec := theSpec()
		spec.mu.Lock()
		defer spec.mu.Unlock()
		if ok, errs := spec.schemas.ValidateSchemaBytes(spec.problem, body); !ok {
			w.t.Errorf("%s is no problem document: %v", body, errs)
		}
	}
	return &answer{w.t, method, r.StatusCode, r.Header, body}
}

// closed waits until the server has closed the connection.
func (w *wire) closed() {
	w.t.Helper()
	if b, err := w.in.ReadByte(); err == nil {
		w.t.Errorf("the connection is open, and there is %q", b)
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Error("the connection stays open")
	}
}

// refused sends something that must be answered with a problem, after which the connection is closed.
func refused(t *testing.T, target Target, request string, status int, slug string) {
	t.Helper()
	w := dial(t, target)
	w.send(request)
	a := w.answer("GET")
	a.what = fmt.Sprintf("%.60q", request)
	p := a.problem(status, slug)
	if a.Header.Get("Connection") != "close" {
		t.Errorf("%s: Connection: %q", a.what, a.Header.Get("Connection"))
	}
	if text := string(a.Body); strings.Contains(text, "fasthttp") || strings.Contains(text, "sEcReT") || p.Detail == "" {
		t.Errorf("%s: %s", a.what, text)
	}
	w.closed()
}

func testNotHTTP(t *testing.T, target Target) {
	chunks := "5\r\n{\"x\":\r\n2\r\n1}\r\n0\r\n\r\n"
	head := "POST /applications HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	for _, request := range []string{
		"sEcReT\r\n\r\n", "GET\r\n\r\n", "GET /sEcReT\r\n\r\n", "GET / HTTP\r\n\r\n", "GET /sEcReT XTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET sEcReT HTTP/1.1\r\nHost: a\r\n\r\n",
		"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nsEcReT\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX : sEcReT\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
		head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", head + "Content-Length: 2, 2\r\n\r\n{}",
		head + "Content-Length: -1\r\n\r\n{}", head + "Content-Length: +2\r\n\r\n{}", head + "Content-Length: two\r\n\r\n{}", head + "Content-Length: 99999999999999999999\r\n\r\n{}",
		head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, head + "Transfer-Encoding: chunked, chunked\r\n\r\n" + chunks,
		head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks, head + "Transfer-Encoding: identity\r\n\r\n", head + "Transfer-Encoding: xchunked\r\n\r\n" + chunks,
		head + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
		head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, head + "tRANSFER-eNCODING: chunked\r\ncONTENT-lENGTH: 2\r\n\r\n" + chunks,
		head + "Transfer-Encoding: chunked\r\n\r\nsEcReT\r\n", head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"x\":sEcReT\r\n0\r\n\r\n",
		"POST /applications HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
	} {
		refused(t, target, request, 400, "malformed-request")
	}
	// An unknown method is no fault of the connection.
	w := dial(t, target)
	w.send("FOO / HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	w.answer("FOO").problem(501, "unknown-method")
	w.answer("GET").want(200)
	// Nor is HTTP/1.0, nor the absolute form.
	w = dial(t, target)
	w.send("GET http://elsewhere/healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n")
	w.answer("GET").want(200)
	w.answer("GET").want(200)
	w.closed()
	w = dial(t, target)
	w.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
	if a := w.answer("OPTIONS"); a.Status >= 500 {
		t.Errorf("OPTIONS *: %d", a.Status)
	}
}

func testLimits(t *testing.T, target Target) {
	get := "GET /healthz HTTP/1.1\r\n"
	fields := func(bytes int) string { // Host and one more, CRLFs counted
		host := "Host: a\r\n"
		return host + "X: " + strings.Repeat("x", bytes-len(host)-len("X: \r\n")) + "\r\n"
	}
	w := dial(t, target)
	w.send(get + fields(16<<10-2) + "\r\n")
	w.answer("GET").want(200)
	w.send(get + fields(16<<10+1) + "\r\n")
	w.answer("GET").problem(431, "headers-too-large")
	refused(t, target, get+fields(64<<10)+"\r\n", 431, "headers-too-large")
	refused(t, target, "GET /"+strings.Repeat("x", 64<<10)+" HTTP/1.1\r\nHost: a\r\n\r\n", 431, "headers-too-large")

	head := "POST /applications HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer " + target.AdminToken + "\r\n"
	size := 512 << 10
	body := `{"name":"a","x":"` + strings.Repeat("x", size-len(`{"name":"a","x":""}`)) + `"}`
	w = dial(t, target)
	w.send(head + "Content-Length: " + strconv.Itoa(size) + "\r\n\r\n" + body)
	w.answer("POST").want(201)
	refused(t, target, head+"Content-Length: "+strconv.Itoa(size+1)+"\r\n\r\n"+body+" ", 413, "body-too-large")
	refused(t, target, head+"Content-Length: 1000000000000\r\n\r\n"+body, 413, "body-too-large")
	refused(t, target, head+"Transfer-Encoding: chunked\r\n\r\n"+fmt.Sprintf("%x\r\n%s \r\n0\r\n\r\n", size+1, body), 413, "body-too-large")
	w = dial(t, target)
	w.send(head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body))
	w.answer("POST").want(201)
	w.send(head + "Expect: 100-continue\r\nContent-Length: 12\r\n\r\n")
	w.answer("POST").want(100)
	w.send(`{"name":"a"}`)
	w.answer("POST").want(201)
}

// A client that does not finish its request is told so, or just let go.
func testSlow(t *testing.T, target Target) {
	if target.ClientTimeout == 0 {
		return
	}
	for _, begin := range []string{"", "G", "GET /healthz HTTP/1.1\r\nHost: a\r\n", "POST /applications HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"} {
		w := dial(t, target)
		start := time.Now()
		w.send(begin)
		a := w.answer("GET")
		if a.problem(408, "request-timeout"); a.Header.Get("Connection") != "close" {
			t.Errorf("%q: Connection: %q", begin, a.Header.Get("Connection"))
		}
		w.closed()
		if took := time.Since(start); took < target.ClientTimeout/2 || took > target.ClientTimeout+10*time.Second {
			t.Errorf("%q: answered after %v", begin, took)
		}
	}
	// One that drips is no better off.
	w := dial(t, target)
	dripping := time.NewTicker(target.ClientTimeout / 10)
	defer dripping.Stop()
	w.send("GET /healthz HTTP/1.1\r\nHost: a\r\nX: ")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			<-dripping.C
			if _, err := io.WriteString(w.conn, "x"); err != nil {
				return
			}
		}
	}()
	w.answer("GET").problem(408, "request-timeout")
	_ = w.conn.Close()
	<-done
}
