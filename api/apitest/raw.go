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
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, target Target) *wire {
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
	if method == http.MethodHead && w.in.Buffered() > 0 && !strings.HasPrefix(w.peek(), "HTTP/") {
		w.t.Errorf("an answer to HEAD has a body: %q", w.peek())
	}
	if r.StatusCode >= 400 && method != http.MethodHead {
		spec := theSpec()
		spec.mu.Lock()
		defer spec.mu.Unlock()
		if ok, errs := spec.schemas.ValidateSchemaBytes(spec.problem, body); !ok {
			w.t.Errorf("%s is no problem document: %v", body, errs)
		}
	}
	return &answer{w.t, method, r.StatusCode, r.Header, body}
}

// peek shows what has come and was not read.
func (w *wire) peek() string {
	b, _ := w.in.Peek(w.in.Buffered()) // it has so much
	return string(b)
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
func refused(t testing.TB, target Target, request string, status int, slug string) {
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

const (
	postHead = "POST /applications HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	chunks   = "5\r\n{\"x\":\r\n2\r\n1}\r\n0\r\n\r\n"
)

// over gives what goes over the wire, each in a connection of its own.
func over(wire ...string) func(*place) []bad {
	return func(*place) (all []bad) {
		for _, w := range wire {
			all = append(all, bad{wire: w})
		}
		return all
	}
}

var badHTTP = []row{
	{"header fields over 16 KiB", 431, "headers-too-large", over("GET /healthz HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n",
		"GET /"+strings.Repeat("x", 64<<10)+" HTTP/1.1\r\nHost: a\r\n\r\n", postHead+"Transfer-Encoding: chunked\r\n\r\n0\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")},
	{"two lengths", 400, "malformed-request", over(postHead+"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", postHead+"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		postHead+"Content-Length: 2, 2\r\n\r\n{}", postHead+"content-length: 0\r\nX: y\r\nCONTENT-LENGTH: 2\r\n\r\n{}")},
	{"two transfer codings", 400, "malformed-request", over(postHead+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks,
		postHead+"Transfer-Encoding: chunked, chunked\r\n\r\n"+chunks, postHead+"Transfer-Encoding: gzip, chunked\r\n\r\n"+chunks,
		postHead+"Transfer-Encoding: chunked, identity\r\n\r\n"+chunks, postHead+"Transfer-Encoding: chunked,\r\n\r\n"+chunks)},
	{"a length and chunked together", 400, "malformed-request", over(postHead+"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks,
		postHead+"tRANSFER-eNCODING: chunked\r\ncONTENT-lENGTH: 2\r\n\r\n"+chunks, postHead+"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
		postHead+"Transfer-Encoding:\r\nContent-Length: 2\r\n\r\n{}", postHead+"Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}")},
	{"what is no HTTP", 400, "malformed-request", over(
		"sEcReT\r\n\r\n", "GET\r\n\r\n", "GET /sEcReT\r\n\r\n", "GET / HTTP\r\n\r\n", "GET /sEcReT XTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET sEcReT HTTP/1.1\r\nHost: a\r\n\r\n",
		"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "GET /healthz#sEcReT HTTP/1.1\r\nHost: a\r\n\r\n", "GET ?x HTTP/1.1\r\nHost: a\r\n\r\n", "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nsEcReT\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX : sEcReT\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", postHead+"X: a\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
		postHead+"Content-Length: -1\r\n\r\n{}", postHead+"Content-Length: +2\r\n\r\n{}", postHead+"Content-Length: two\r\n\r\n{}", postHead+"Content-Length: 99999999999999999999\r\n\r\n{}",
		postHead+"Content-Length:\r\n\r\n", postHead+"Content-Length: 0x2\r\n\r\n{}",
		postHead+"Transfer-Encoding: identity\r\n\r\n", postHead+"Transfer-Encoding: xchunked\r\n\r\n"+chunks, postHead+"Transfer-Encoding: \"chunked\"\r\n\r\n"+chunks,
		postHead+"Transfer-Encoding:\r\n chunked\r\n\r\n"+chunks,
		postHead+"Transfer-Encoding: chunked\r\n\r\nsEcReT\r\n", postHead+"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"x\":sEcReT\r\n0\r\n\r\n",
		postHead+"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n", postHead+"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
		postHead+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n",
		"POST /applications HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks)},
}

// What is odd and yet HTTP.
func testOddHTTP(t *testing.T, target Target) {
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
	w.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nCONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nTRACE /healthz HTTP/1.1\r\nHost: a\r\nX: sEcReT\r\n\r\n")
	w.answer("OPTIONS").problem(404, "not-found")
	w.answer("GET").problem(404, "not-found")
	w.answer("TRACE").problem(405, "method-not-allowed")
	// Requests that come at once are answered one after the other, whatever becomes of each, until one is no HTTP.
	w = dial(t, target)
	health := "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	w.send(health + postHead + "Authorization: Bearer " + target.AdminToken + "\r\nContent-Length: 2\r\n\r\n{}" + "HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" +
		postHead + "Authorization: Bearer " + target.AdminToken + "\r\nIdempotency-Key:\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
		"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + health + "sEcReT\r\n\r\n" + health)
	w.answer("GET").want(200)
	w.answer("POST").problem(422, "validation-failed", "#/name")
	w.answer("HEAD").want(404)
	w.answer("POST").problem(422, "validation-failed", "#/name", "Idempotency-Key")
	w.answer("GET").want(200)
	w.answer("GET").want(200)
	w.answer("GET").problem(400, "malformed-request")
	w.closed()
}

func testLimits(t *testing.T, target Target) {
	get := "GET /healthz HTTP/1.1\r\n"
	fields := func(bytes int) string { // Host and one more, CRLFs counted
		host := "Host: a\r\n"
		return host + "X: " + strings.Repeat("x", bytes-len(host)-len("X: \r\n")) + "\r\n"
	}
	w := dial(t, target)
	w.send(get + fields(16<<10) + "\r\n")
	w.answer("GET").want(200)
	w.send(get + fields(16<<10+1) + "\r\n")
	w.answer("GET").problem(431, "headers-too-large")
	line := "GET /healthz? HTTP/1.1\r\n"
	w.send(strings.Replace(line, "?", "?"+strings.Repeat("x", 4<<10-len(line)), 1) + fields(16<<10) + "\r\n")
	w.answer("GET").want(200)

	head := postHead + "Authorization: Bearer " + target.AdminToken + "\r\n"
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
