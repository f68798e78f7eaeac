// Command docsgen renders openapi.yaml as the page that /docs shows: plain HTML, without a script. `go generate` runs it in
// the folder above.
package main

import (
	"bytes"
	_ "embed" // the template
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log"
	"os"
	"strings"

	"github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

//go:embed page.html
var page string

func main() {
	spec, err := os.ReadFile("openapi.yaml")
	if err != nil {
		log.Fatal(err)
	}
	html, err := render(spec)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("docs/docs.html", html, 0o644); err != nil { //nolint:gosec // a source file
		log.Fatal(err)
	}
}

func render(spec []byte) ([]byte, error) {
	document, err := libopenapi.NewDocument(spec)
	if err != nil {
		return nil, err
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return nil, err
	}
	t, err := template.New("page").Funcs(template.FuncMap{"prose": prose, "json": asJSON, "schema": schemaText, "operations": operations}).Parse(page)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, &model.Model); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// operation is one method of one path, with the parameters of both.
type operation struct {
	Method, Path string
	Parameters   []*v3.Parameter
	*v3.Operation
}

// operations are those of a tag, in the document's order.
func operations(document *v3.Document, tag string) []operation {
	var all []operation
	for path, item := range document.Paths.PathItems.FromOldest() {
		for method, o := range item.GetOperations().FromOldest() {
			if len(o.Tags) > 0 && o.Tags[0] == tag {
				all = append(all, operation{strings.ToUpper(method), path, append(append([]*v3.Parameter{}, item.Parameters...), o.Parameters...), o})
			}
		}
	}
	return all
}

// prose sets text: paragraphs, and code between backquotes.
func prose(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		b.WriteString("<p>")
		for i, part := range strings.Split(paragraph, "`") {
			part = template.HTMLEscapeString(part)
			if i%2 == 1 {
				part = "<code>" + part + "</code>"
			}
			b.WriteString(part)
		}
		b.WriteString("</p>\n")
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

// schemaText is a schema as it is written.
func schemaText(schema interface{ Render() ([]byte, error) }) (string, error) {
	text, err := schema.Render()
	return strings.TrimSpace(string(text)), err
}

// asJSON renders a YAML value as JSON, in the order in which it is written.
func asJSON(n *yaml.Node) (string, error) {
	compact, err := appendJSON(nil, n)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = json.Indent(&b, compact, "", "  ")
	return b.String(), err
}

func appendJSON(b []byte, n *yaml.Node) ([]byte, error) {
	open, end := byte('['), byte(']')
	switch n.Kind {
	case yaml.AliasNode:
		return appendJSON(b, n.Alias)
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, err
		}
		if n.Tag == "!!timestamp" || n.Tag == "!!str" {
			v = n.Value
		}
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false) // the template escapes
		if err := e.Encode(v); err != nil {
			return nil, err
		}
		return append(b, bytes.TrimSpace(text.Bytes())...), nil
	case yaml.MappingNode:
		open, end = '{', '}'
	case yaml.SequenceNode:
	default:
		return nil, errors.New("an example is no value")
	}
	b = append(b, open)
	for i, child := range n.Content {
		switch {
		case i == 0:
		case open == '{' && i%2 == 1:
			b = append(b, ':')
		default:
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSON(b, child); err != nil {
			return nil, fmt.Errorf("line %d: %w", child.Line, err)
		}
	}
	return append(b, end), nil
}
