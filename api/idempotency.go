package api

import (
	"crypto/sha256"
	"encoding/binary"

	"chat-system/internal/chat"
)

// idempotencyKey reads the values of the header field Idempotency-Key: a string as in the draft, in quotes, or the key as
// it is. fault says what is wrong with it, or "".
func idempotencyKey(values [][]byte) (key, fault string) {
	if len(values) != 1 {
		return "", "must be given once"
	}
	key = string(values[0])
	if plain, ok := unquoted(key); ok {
		key = plain
	}
	return key, chat.ValidKey(key)
}

// unquoted reads a string of RFC 9651: in double quotes, with \" and \\ inside.
func unquoted(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	s = s[1 : len(s)-1]
	plain := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return "", false
		case '\\':
			if i++; i == len(s) || (s[i] != '"' && s[i] != '\\') {
				return "", false
			}
		}
		plain = append(plain, s[i])
	}
	return string(plain), true
}

// idempotency gives a client's key its stored form: a hash of the path that it was sent to and the key, and one of what
// was sent.
func idempotency(path, key, payload string) chat.Idempotency {
	i := chat.Idempotency{Given: true}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 512), uint32(len(path))) //nolint:gosec // a path is short
	b = append(append(b, path...), key...)
	sum := sha256.Sum256(b)
	copy(i.Key[:], sum[:])
	sum = sha256.Sum256([]byte(payload))
	copy(i.Payload[:], sum[:])
	return i
}

// idempotency reads the request's Idempotency-Key. Its fault, if any, joins the others.
func (x *exchange) idempotency(p *place, payload string, faults *[]chat.Field) (i chat.Idempotency) {
	values := x.http.Request.Header.PeekAll(headerIdempotencyKey)
	if len(values) == 0 {
		return i
	}
	key, fault := idempotencyKey(values)
	if fault != "" {
		*faults = append(*faults, chat.Field{Parameter: headerIdempotencyKey, Detail: fault})
		return i
	}
	return idempotency(p.list(), key, payload)
}
