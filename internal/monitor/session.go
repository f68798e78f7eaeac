package monitor

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	cookieName   = "chat_monitor"
	sessionTime  = 12 * time.Hour
	payloadBytes = 8 + 16 // when it ends, Unix seconds, and a nonce
)

// keys are derived from the administrator's token, so that every pod takes a session that another one began, and another
// token ends all of them. The token can't be found from a cookie other than by guessing it.
type keys struct{ cookies, forms []byte }

func newKeys(token string) keys {
	if token == "" { // whoever reaches the page may use it, and its forms are this process' own
		token = rand.Text()
	}
	derive := func(of string) []byte {
		k, err := hkdf.Key(sha256.New, []byte(token), nil, "chat-system monitor "+of, sha256.Size)
		if err != nil {
			panic(err) // of too long a key alone
		}
		return k
	}
	return keys{derive("session"), derive("form")}
}

func sign(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(text) // never fails
	return h.Sum(nil)
}

var encoding = base64.RawURLEncoding.Strict() // one text for each cookie

// newCookie begins a session: its end and a nonce, signed.
func (k keys) newCookie(now time.Time) string {
	var payload [payloadBytes]byte
	binary.BigEndian.PutUint64(payload[:8], uint64(now.Add(sessionTime).Unix())) //nolint:gosec // after 1970
	_, _ = rand.Read(payload[8:])                                                // never fails
	return encoding.EncodeToString(append(payload[:], sign(k.cookies, payload[:])...))
}

// session reads a cookie: its nonce, if it was signed here and has not ended.
func (k keys) session(cookie []byte, now time.Time) (nonce []byte, ok bool) {
	b, err := encoding.DecodeString(string(cookie))
	if err != nil || len(b) != payloadBytes+sha256.Size {
		return nil, false
	}
	payload := b[:payloadBytes]
	if !hmac.Equal(b[payloadBytes:], sign(k.cookies, payload)) || uint64(now.Unix()) >= binary.BigEndian.Uint64(payload[:8]) { //nolint:gosec // after 1970
		return nil, false
	}
	return payload[8:], true
}

// formToken is what a form of the session carries: another site can't read it.
func (k keys) formToken(nonce []byte) string { return encoding.EncodeToString(sign(k.forms, nonce)) }

// sameToken compares without telling by the time taken how much of it is right: hashes are of one length.
func sameToken(got []byte, want string) bool {
	a, b := sha256.Sum256(got), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// sameOrigin says whether a POST comes from a page of this site, or from no browser. Every browser since 2020 says one of the
// two; behind a proxy that ends TLS the scheme is not known, so hosts are compared.
func sameOrigin(h *fasthttp.RequestHeader) bool {
	if site := string(h.Peek("Sec-Fetch-Site")); site != "" {
		return site == "same-origin"
	}
	origin := string(h.Peek("Origin"))
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, string(h.Host()))
}

// toLoopback says whether the request names this machine. Where the page is open, a site whose name was made to lead here
// must not read it.
func toLoopback(host string) bool {
	if u, err := url.Parse("//" + host); err == nil {
		host = u.Hostname()
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// throughProxy says whether a proxy passed the request on, and so whoever reaches that. Some add nothing, which README warns of.
func throughProxy(h *fasthttp.RequestHeader) bool {
	return slices.ContainsFunc([]string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"}, func(name string) bool {
		return len(h.Peek(name)) > 0
	})
}
