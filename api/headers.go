package api

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// Header fields and values of the hot path, in the form that fasthttp takes without a copy.
var (
	keyRequestID    = []byte("X-Request-Id")
	keyTraceparent  = []byte("Traceparent")
	keyCacheControl = []byte("Cache-Control")
	keyNosniff      = []byte("X-Content-Type-Options")
	keyLocation     = []byte("Location")
	keyETag         = []byte("ETag")

	valueNosniff    = []byte("nosniff")
	valueNoStore    = []byte("no-store")
	valueRevalidate = []byte("private, no-cache")

	jsonType = []byte("application/json")
)

// set sets a field of the answer by its name as it is usually written, which fasthttp's own way of writing is not always.
func (x *exchange) set(name, value string) {
	x.http.Response.Header.SetCanonical([]byte(name), []byte(value))
}

const headerIdempotencyKey = "Idempotency-Key"

// mediaType refuses a body that does not say that it is JSON, or that is encoded.
func (x *exchange) mediaType(size int) error {
	h := &x.http.Request.Header
	switch {
	case size == 0:
		return nil
	case !isJSON(h.ContentType()):
		return &problem{kind: kindMediaType, detail: "The body must be sent with Content-Type: application/json."}
	case !plainlyEncoded(h):
		return &problem{kind: kindMediaType, detail: "The body must be sent without a Content-Encoding."}
	}
	return nil
}

func isJSON(contentType []byte) bool {
	essence, _, _ := bytes.Cut(contentType, []byte{';'})
	return bytes.EqualFold(bytes.TrimSpace(essence), jsonType)
}

func plainlyEncoded(h *fasthttp.RequestHeader) bool {
	e := h.ContentEncoding()
	return len(e) == 0 || bytes.EqualFold(e, []byte("identity"))
}
