package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"chat-system/internal/chat"
)

// The decoder takes what the library calls strict JSON, objects alone, and finds in it what the library finds.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"body":"a"}`, `{"message":{"body":"b"},"body":5}`, `{"message":null}`, `{"b\u006fdy":"\ud83d\ude00"}`, `{"body":"a","body":"b"}`, `[]`, `{}{}`, ``,
		`{"body":"a","x":{"y":1,"y":1}}`, `{"body":"a","\ud83d":1}`, `{"body":"\u2003\u0085"}`, `{"message":{"body":"\u0000"}}`, "{\"body\":\"a\"}\x00", "{\"body\":\"\xed\xa0\x80\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sent := bytes.Clone(body)
		text, fault, err := messageForm.decode(body)
		if !bytes.Equal(body, sent) {
			t.Fatal("the body was changed")
		}
		var object map[string]jsontext.Value
		valid := jsontext.Value(body).IsValid() && json.Unmarshal(body, &object) == nil && object != nil
		if valid != (err == nil) {
			t.Fatalf("valid %v, %v", valid, err)
		}
		if err != nil {
			if p, ok := errors.AsType[*problem](err); !ok || p.kind != kindInvalidJSON {
				t.Fatalf("%v", err)
			}
			return
		}
		if nested := object["message"]; nested != nil && nested.Kind() == '{' {
			object = nil
			if err := json.Unmarshal(nested, &object); err != nil {
				t.Fatal(err)
			}
		} else if nested != nil && nested.Kind() != 'n' {
			if fault == nil || fault.Pointer != "#/message" {
				t.Fatalf("%+v", fault)
			}
			return
		}
		var want string
		ok := object["body"].Kind() == '"' && json.Unmarshal(object["body"], &want) == nil && chat.ValidBody(want) == ""
		if ok != (fault == nil) || (ok && text != want) {
			t.Fatalf("%q, %+v, want %q", text, fault, want)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"limit=5&after=3", "q=a+b%20c&body=x", "limit=1&limit=1", "li%6dit=2", "before=9223372036854775808", "q=%ff&%zz=1", "&&=&", "limit", "limit&limit", "after=1;before=2", "l%69mit=0&limit=1", "q=%00", "=&q"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := &query{raw: []byte(raw)}
		page := q.page()
		faults := len(q.faults)
		if faults == 0 && (page.Limit < 1 || page.Limit > chat.MaxLimit || page.After < 0 || page.Before < 0 || (page.After > 0 && page.Before > 0)) {
			t.Fatalf("%+v", page)
		}
		// A parameter is what the standard library finds, where that finds exactly one.
		if std, err := url.ParseQuery(raw); err == nil {
			for _, name := range []string{"limit", "after", "before", "cursor", "q", "body"} {
				one := &query{raw: []byte(raw)}
				value, given, ok := one.parameter(name)
				want := std[name]
				if fine := len(want) == 1 && utf8.ValidString(want[0]); given != (len(want) > 0) || ok != fine || (ok && value != want[0]) || len(one.faults) != map[bool]int{given && !ok: 1}[true] {
					t.Fatalf("%s is %q, %v, %v with %v, want %q", name, value, given, ok, one.faults, want)
				}
			}
		}
		q.faults = nil
		text := q.search()
		if len(q.faults) == 0 && chat.ValidSearch(text) != "" {
			t.Fatalf("%q", text)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/applications/%41bc/chats/%31", "/a%2Fb", "/%", "/%4", "/%zz", "/%%34%31"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		plain := string(plainPath([]byte(path)))
		if strings.Count(plain, "/") != strings.Count(path, "/") {
			t.Fatalf("%q has other slashes", plain)
		}
		want, err := url.PathUnescape(path)
		if err != nil {
			return
		}
		if got, err := url.PathUnescape(plain); err != nil || (got != want && !strings.Contains(want, "%")) {
			t.Fatalf("%q means %q, want %q", plain, got, want)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "1", "9223372036854775807", "9223372036854775808", "+1", "-0", "01", "1_0", "", "٣", "１", "18446744073709551617"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := wholeNumber(s)
		want, isNumber := new(big.Int).SetString(s, 10)
		if fine := isNumber && want.Sign() >= 0 && want.IsInt64() && want.String() == s; ok != fine || (ok && n != want.Int64()) {
			t.Fatalf("%q is %d, %v", s, n, ok)
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, s := range []string{`k`, `"k"`, `"a\"b"`, `"`, `""`, `"\x"`, "\x00", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, fault := idempotencyKey([][]byte{[]byte(value)})
		if (fault == "") != (len(key) >= 1 && len(key) <= chat.MaxKey && printable([]byte(key))) {
			t.Fatalf("%q: %q", key, fault)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, other := idempotencyKey([][]byte{[]byte(quoted)}); again != key || other != fault {
			t.Fatalf("%q is %q, quoted %q", value, key, again)
		}
	})
}

func FuzzForwardedFor(f *testing.F) {
	f.Add("203.0.113.1, 10.0.0.1", "10.0.0.2")
	f.Add("[2001:db8::1]:80", "fe80::1%eth0,::ffff:10.0.0.1")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	f.Fuzz(func(t *testing.T, a, b string) {
		lines := [][]byte{[]byte(a), []byte(b)}
		stranger := netip.MustParseAddr("198.51.100.1")
		if got := clientAddr(stranger, lines, trusted); got != stranger {
			t.Fatalf("a stranger is believed: %v", got)
		}
		proxy := netip.MustParseAddr("10.0.0.1")
		got := clientAddr(proxy, lines, trusted)
		if !got.IsValid() || got.Is4In6() || got.Zone() != "" || bucket(got) == "" {
			t.Fatalf("%v", got)
		}
		if left := clientAddr(proxy, append([][]byte{[]byte("192.0.2.77")}, lines...), trusted); left != got && contains(trusted, got) && left.String() != "192.0.2.77" {
			t.Fatalf("%v, with more to the left %v", got, left)
		} else if !contains(trusted, got) && left != got {
			t.Fatalf("what stands to the left of %v made it %v", got, left)
		}
	})
}

func FuzzIfNoneMatch(f *testing.F) {
	f.Add(`"a", W/"b"`)
	f.Add(`*`)
	f.Fuzz(func(t *testing.T, value string) {
		if !strings.Contains(value, `"`) && !matches([]byte(`"`+value+`", W/"tag"`), []byte(`"tag"`)) {
			t.Fatalf("after %q", value)
		}
		if matches([]byte(value), []byte(`"tag"`)) && value != "*" && strings.TrimSpace(value) != "*" && !strings.Contains(value, `"tag"`) {
			t.Fatalf("%q", value)
		}
	})
}

// bytesConn is a connection on which everything has arrived already.
type bytesConn struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *bytesConn) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *bytesConn) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *bytesConn) Close() error                     { return nil }
func (c *bytesConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *bytesConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *bytesConn) SetDeadline(time.Time) error      { return nil }
func (c *bytesConn) SetReadDeadline(time.Time) error  { return nil }
func (c *bytesConn) SetWriteDeadline(time.Time) error { return nil }

// Whatever comes over the wire, what goes back is HTTP, and every error is a problem document.
func FuzzWire(f *testing.F) {
	for _, s := range []string{
		"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n", "nonsense\r\n\r\n",
		"POST /applications HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"POST /applications/a/chats HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n{}",
		"OPTIONS * HTTP/1.0\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET //a/%2e%2e/?%zz HTTP/1.1\nHost: a\n\n",
		"GET /healthz#x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /healthz// HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "GET http://u:p@e/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	s := New(Config{Store: refusing{}, Log: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, wire []byte) {
		if bytes.HasPrefix(wire, []byte("HEAD")) {
			return // the reader below does not know that an answer has no body
		}
		c := &bytesConn{in: bytes.NewReader(wire)}
		_ = s.fiber.Server().ServeConn(c) // what it reports was answered
		in := bufio.NewReader(&c.out)
		for in.Buffered() > 0 || c.out.Len() > 0 {
			r, err := http.ReadResponse(in, nil)
			if err != nil {
				if bytes.Contains(wire, []byte("HEAD")) {
					return
				}
				t.Fatalf("%v", err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil && !bytes.Contains(wire, []byte("HEAD")) {
				t.Fatal(err)
			}
			if r.StatusCode >= 500 && r.StatusCode != http.StatusNotImplemented && r.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("%d %s", r.StatusCode, body)
			}
			if r.StatusCode >= 400 && r.Header.Get("Content-Type") != problemType {
				t.Fatalf("%d %s", r.StatusCode, body)
			}
			if r.StatusCode != http.StatusContinue && r.Header.Get("X-Request-Id") == "" {
				t.Fatalf("%d without a request id", r.StatusCode)
			}
			if bytes.Contains(body, []byte("/docs#malformed-request")) && !r.Close {
				t.Fatalf("the connection stays open after %s", body)
			}
		}
	})
}

// refusing is a Store that is away.
type refusing struct{}

var errAway = chat.Errorf(chat.Unavailable, "The store is away.")

func (refusing) CreateApplication(context.Context, string, chat.Idempotency) (chat.Application, bool, error) {
	return chat.Application{}, false, errAway
}

func (refusing) Applications(context.Context, string, int) ([]chat.Application, string, error) {
	return nil, "", errAway
}

func (refusing) Application(context.Context, string) (chat.Application, error) {
	return chat.Application{}, errAway
}

func (refusing) RenameApplication(context.Context, string, string) (chat.Application, error) {
	return chat.Application{}, errAway
}

func (refusing) CreateChat(context.Context, string, chat.Idempotency) (int64, bool, error) {
	return 0, false, errAway
}

func (refusing) Chat(context.Context, string, int64) (chat.Chat, error) {
	return chat.Chat{}, errAway
}

func (refusing) Chats(context.Context, string, chat.Page) (chat.List[chat.Chat], error) {
	return chat.List[chat.Chat]{}, errAway
}

func (refusing) CreateMessage(context.Context, string, int64, string, chat.Idempotency) (int64, bool, error) {
	return 0, false, errAway
}

func (refusing) Message(context.Context, string, int64, int64) (chat.Message, error) {
	return chat.Message{}, errAway
}

func (refusing) EditMessage(context.Context, string, int64, int64, string) (chat.Message, error) {
	return chat.Message{}, errAway
}

func (refusing) Messages(context.Context, string, int64, chat.Page) (chat.List[chat.Message], error) {
	return chat.List[chat.Message]{}, errAway
}

func (refusing) Search(context.Context, string, int64, string, string, int) ([]chat.Hit, string, error) {
	return nil, "", errAway
}
