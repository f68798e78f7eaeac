// Package runbooks has what to do about each alert, for the monitoring page: a Markdown file each, named as the alert, with the
// sections Meaning, Impact, Diagnosis and Mitigation.
package runbooks

import (
	"bytes"
	"embed"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

//go:embed *.md
var files embed.FS

// Names gives those that there are, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // it is embedded
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".md")
	}
	return names
}

// Meaning gives the first paragraph of one, as plain text.
func Meaning(name string) string {
	source, err := files.ReadFile(name + ".md")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(source), "## Meaning\n\n")
	paragraph, _, _ := strings.Cut(rest, "\n\n")
	return strings.ReplaceAll(strings.ReplaceAll(paragraph, "\n", " "), "`", "")
}

// HTML gives the text of one, without its title; not ok: there is none of that name. Links to other runbooks are relative; what
// else the text links to is not at hand where it is shown, and only named.
func HTML(name string) (html string, ok bool) {
	source, err := files.ReadFile(name + ".md")
	if err != nil {
		return "", false
	}
	var b bytes.Buffer
	if err := markdown.Convert(source, &b); err != nil {
		return "", false // a buffer takes everything
	}
	return b.String(), true
}

var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(shown{}, 0))),
)

// shown changes what the page shows in another way than the file.
type shown struct{}

// Transform implements parser.ASTTransformer.
func (shown) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	if title, ok := doc.FirstChild().(*ast.Heading); ok {
		doc.RemoveChild(doc, title)
	}
	var elsewhere []*ast.Link
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // no step of it fails
		if link, ok := n.(*ast.Link); ok && entering {
			if to := string(link.Destination); strings.Contains(to, "/") {
				elsewhere = append(elsewhere, link)
			} else {
				link.Destination = []byte(strings.TrimSuffix(to, ".md"))
			}
		}
		return ast.WalkContinue, nil
	})
	for _, link := range elsewhere {
		parent, file := link.Parent(), strings.ReplaceAll(string(link.Destination), "../", "docs/")
		for link.FirstChild() != nil {
			parent.InsertBefore(parent, link, link.FirstChild())
		}
		parent.ReplaceChild(parent, link, ast.NewString([]byte(" ("+file+")")))
	}
}
