package api

import (
	"bytes"
	"errors"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// fasthttp answers what it can't read before any handler runs, with text of the request; some of what is ambiguous it
// takes; and Fiber answers unknown methods itself. All of that is answered here instead.

const (
	maxBody    = 512 << 10 // bytes of a request's body
	maxHeaders = 16 << 10  // bytes of its header fields
	maxLine    = 4 << 10   // bytes of the request line
	maxHead    = maxLine + maxHeaders + len("\r\n")
)

var (
	errNotHTTP = &problem{kind: kindMalformed, detail: "This is no HTTP request that can be understood in one way alone."}
	errHeaders = &problem{kind: kindHeaders, detail: "The header fields may have 16 KiB together, the request line 4 KiB."}
	errBody    = &problem{kind: kindTooLarge, detail: "The body may have 512 KiB."}
	errSlow    = &problem{kind: kindTimeout, detail: "The request did not arrive in time."}
	errMethod  = &problem{kind: kindUnknownMethod, detail: "This server knows no such method."}
)

// serve is fasthttp's handler.
func (s *Server) serve(h *fasthttp.RequestCtx) {
	if p := questionable(&h.Request.Header); p != nil {
		s.refuse(h, p)
		return
	}
	uri := h.URI()
	switch path := uri.PathOriginal(); {
	case bytes.HasSuffix(path, []byte("//")):
		uri.SetPathBytes(path[:1]) // Fiber takes away every slash at the end; this leads nowhere
	case bytes.IndexByte(path, '%') >= 0:
		uri.SetPathBytes(plainPath(path))
	}
	s.handler(h)
}

// unread is fasthttp's handler of requests that it could not read; it closes the connection after it.
func (s *Server) unread(h *fasthttp.RequestCtx, err error) {
	p := errNotHTTP
	var timeout net.Error
	switch {
	case errors.As(err, new(*fasthttp.ErrSmallBuffer)):
		p = errHeaders
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		p = errBody
	case errors.As(err, &timeout) && timeout.Timeout():
		p = errSlow
	}
	s.refuse(h, p)
}

// refuse answers without an endpoint.
func (s *Server) refuse(h *fasthttp.RequestCtx, p *problem) {
	x := s.exchange(s.nowhere, h, time.Now()) // fasthttp has not yet noted when it came
	defer x.finish()
	if p != errMethod && p != errHeaders {
		h.SetConnectionClose()
	}
	if c, ok := h.Conn().(*conn); ok {
		c.linger.Store(true)
	}
	x.err = p
}

// questionable finds what fasthttp lets pass and the contract does not.
func questionable(h *fasthttp.RequestHeader) *problem {
	if p := h.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return errNotHTTP
	}
	raw := h.RawHeaders()
	if len(raw) > maxHeaders+len("\r\n") { // with the empty line
		return errHeaders
	}
	if ambiguous(raw) || bytes.IndexByte(h.RequestURI(), '#') >= 0 {
		return errNotHTTP
	}
	switch string(h.Method()) {
	case fiber.MethodGet, fiber.MethodPost, fiber.MethodPut, fiber.MethodPatch, fiber.MethodHead,
		fiber.MethodOptions, fiber.MethodDelete, fiber.MethodTrace, fiber.MethodConnect:
		return nil
	}
	return errMethod
}

var (
	transferEncoding = []byte("transfer-encoding:")
	contentLength    = []byte("content-length:")
)

// ambiguous tells of two ways to find the body's end, of one that nobody speaks any more, and of fields that go on in the
// next line, which RFC 9112, 5.2, wants refused: not every proxy in front reads them alike.
func ambiguous(raw []byte) bool {
	length, coding := false, false
	for len(raw) > 0 {
		var line []byte
		line, raw, _ = bytes.Cut(raw, []byte{'\n'})
		switch {
		case len(line) > 0 && (line[0] == ' ' || line[0] == '\t'):
			return true
		case len(line) < len(contentLength):
		case line[0]|0x20 == 'c' && bytes.EqualFold(line[:len(contentLength)], contentLength):
			length = true
		case line[0]|0x20 == 't' && len(line) >= len(transferEncoding) && bytes.EqualFold(line[:len(transferEncoding)], transferEncoding):
			coding = true
			if !bytes.EqualFold(bytes.TrimSpace(line[len(transferEncoding):]), []byte("chunked")) {
				return true
			}
		}
	}
	return length && coding
}
