package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/gofiber/fiber/v2"
)

var errUnauthorized = &problem{kind: kindUnauthorized, detail: "This needs Authorization: Bearer with the administrator's token."}

// authorize asks for the administrator's token, when there is one.
func (x *exchange) authorize() error {
	want := x.server.config.AdminToken
	if want == "" {
		return nil
	}
	values := x.http.Request.Header.PeekAll(fiber.HeaderAuthorization)
	if len(values) != 1 {
		return errUnauthorized
	}
	scheme, token, _ := bytes.Cut(values[0], []byte{' '})
	if !bytes.EqualFold(scheme, []byte("Bearer")) {
		return errUnauthorized
	}
	// Hashes are of one length, so that the time taken tells nothing of the token's.
	a, b := sha256.Sum256(bytes.TrimLeft(token, " ")), sha256.Sum256([]byte(want))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		x.logger().Warn("a wrong administrator's token", "client", x.client())
		return errUnauthorized
	}
	return nil
}
