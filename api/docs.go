package api

import (
	_ "embed" // the files below
)

//go:generate go run ./docsgen

//go:embed openapi.yaml
var openAPI []byte

//go:embed docs/docs.html
var docsPage []byte

//go:embed docs/docs.css
var docsStyle []byte

// OpenAPI is the contract, openapi.yaml.
func OpenAPI() []byte { return openAPI }

// file is an answer that never changes.
type file struct {
	contentType string
	content     []byte
}

var files = map[string]file{
	"/openapi.yaml":  {"application/yaml", openAPI},
	"/docs":          {"text/html; charset=utf-8", docsPage},
	"/docs/docs.css": {"text/css; charset=utf-8", docsStyle},
}

// contentPolicy lets the page use its own style sheet and nothing else.
const contentPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (f file) get(x *exchange) error {
	x.set("Content-Security-Policy", contentPolicy)
	x.set("Referrer-Policy", "no-referrer")
	x.set("Cache-Control", "no-cache")
	x.send(200, []byte(f.contentType), f.content)
	return nil
}
