package api

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"chat-system/internal/chat"
)

// kind is a kind of problem: the type, title and status of RFC 9457. /docs explains each under its slug.
type kind struct {
	status int
	slug   string
	title  string
}

// The kinds. openapi.yaml names the same ones.
var (
	kindMalformed     = &kind{400, "malformed-request", "The request is malformed"}
	kindInvalidJSON   = &kind{400, "invalid-json", "The body is not the JSON that is needed"}
	kindUnauthorized  = &kind{401, "unauthorized", "A token is needed"}
	kindNotFound      = &kind{404, "not-found", "Not found"}
	kindMethod        = &kind{405, "method-not-allowed", "The method is not allowed here"}
	kindTimeout       = &kind{408, "request-timeout", "The request took too long to arrive"}
	kindKeyInUse      = &kind{409, "idempotency-key-in-use", "The Idempotency-Key is in use"}
	kindGone          = &kind{410, "gone", "Gone"}
	kindTooLarge      = &kind{413, "body-too-large", "The body is too large"}
	kindMediaType     = &kind{415, "unsupported-media-type", "The body must be application/json"}
	kindInvalid       = &kind{422, "validation-failed", "The request is invalid"}
	kindKeyReused     = &kind{422, "idempotency-key-reused", "The Idempotency-Key was used before"}
	kindTooMany       = &kind{429, "too-many-requests", "Too many requests"}
	kindHeaders       = &kind{431, "headers-too-large", "The header fields are too large"}
	kindInternal      = &kind{500, "internal-error", "Something went wrong inside"}
	kindUnknownMethod = &kind{501, "unknown-method", "The method is not implemented"}
	kindNotEnabled    = &kind{501, "not-enabled", "The feature is switched off"}
	kindUnavailable   = &kind{503, "unavailable", "Unavailable for now"}
	kindUnknown       = &kind{503, "outcome-unknown", "The outcome is unknown"}
	kindNotReady      = &kind{503, "not-ready", "Not ready"}
)

var kinds = map[chat.Code]*kind{
	chat.NotFound: kindNotFound, chat.Gone: kindGone, chat.Invalid: kindInvalid, chat.KeyReused: kindKeyReused,
	chat.KeyInUse: kindKeyInUse, chat.Unavailable: kindUnavailable, chat.OutcomeUnknown: kindUnknown, chat.NotEnabled: kindNotEnabled,
}

// retrySeconds is what Retry-After says where nothing better is known.
const retrySeconds = 1

// problem is an error as the client gets it. None of its texts holds anything of the request or of the service's inside.
type problem struct {
	*kind
	detail string
	fields []chat.Field
	allow  string  // 405: the methods that are
	retry  int     // seconds for Retry-After; 0: none
	checks []Check // 503 of /readyz
}

func (p *problem) Error() string { return p.title + ": " + p.detail }

// asProblem gives an error its HTTP answer. What is no *problem and no *chat.Error is a fault: nothing of it is told.
func asProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	e, ok := errors.AsType[*chat.Error](err)
	if !ok || kinds[e.Code] == nil {
		return &problem{kind: kindInternal, detail: "The service failed. Its log tells why, under the request_id."}
	}
	p := &problem{kind: kinds[e.Code], detail: e.Message, fields: e.Fields}
	if p.status == 503 || p.status == 409 {
		p.retry = retrySeconds
	}
	return p
}

const problemType = "application/problem+json"

// render gives the problem document.
func (p *problem) render(requestID string) []byte {
	b := append([]byte(`{"type":"/docs#`), p.slug...)
	b = append(b, `","title":`...)
	b = appendString(b, p.title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(b, `,"detail":`...)
	b = appendString(b, p.detail)
	b = append(b, `,"instance":`...)
	b = appendString(b, "urn:request:"+url.PathEscape(requestID))
	b = append(b, `,"request_id":`...)
	b = appendString(b, requestID)
	b = append(b, `,"error":`...)
	b = appendString(b, p.title)
	if len(p.fields) > 0 {
		b = append(b, `,"errors":`...)
		b = appendArray(b, p.fields, appendField)
	}
	if p.checks != nil {
		b = append(b, `,"checks":`...)
		b = appendArray(b, p.checks, appendCheck)
	}
	return append(b, '}')
}

func appendField(b []byte, f *chat.Field) []byte {
	b = append(b, `{"detail":`...)
	b = appendString(b, f.Detail)
	if f.Pointer != "" {
		b = append(b, `,"pointer":`...)
		b = appendString(b, f.Pointer)
	} else {
		b = append(b, `,"parameter":`...)
		b = appendString(b, f.Parameter)
	}
	return append(b, '}')
}

// appendString renders a JSON string; what is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// invalid is the answer to faults that were found; nil where there are none.
func invalid(faults []chat.Field) error {
	if len(faults) == 0 {
		return nil
	}
	return &problem{kind: kindInvalid, detail: "See errors for each fault.", fields: faults}
}
