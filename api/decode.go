package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"chat-system/internal/chat"
)

// form is how a text comes in: {"member": text}, or {"nested": {"member": text}}, which counts where both are there.
type form struct {
	nested, member string
	rule           func(string) string // what is wrong with the text, or ""
}

var (
	applicationForm = form{"application", "name", chat.ValidName}
	messageForm     = form{"message", "body", chat.ValidBody}
)

// found is a member as it was sent.
type found struct {
	kind jsontext.Kind // 0: not sent
	text string        // of a string
}

// decoder is a jsontext.Decoder that is used again; it reads from the request's body without a copy.
type decoder struct {
	body bytes.Buffer
	json jsontext.Decoder
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decode reads a body that must be one JSON object, strictly: no member twice, nothing after it, only UTF-8, no lone
// surrogate. It gives the form's text, or the fault that is in it. The error says that the body is no such object.
func (f form) decode(body []byte) (string, *chat.Field, error) {
	d := decoders.Get().(*decoder) //nolint:forcetypeassert // it holds nothing else
	d.body = *bytes.NewBuffer(body)
	d.json.Reset(&d.body)
	flat, outer, inner, err := d.read(f)
	d.body = bytes.Buffer{}
	d.json.Reset(&d.body)
	decoders.Put(d)
	if err != nil {
		return "", nil, &problem{kind: kindInvalidJSON, detail: complaint(err)}
	}
	pointer, text := "#/"+f.member, flat
	switch outer.kind {
	case 0, 'n':
	case '{':
		pointer, text = "#/"+f.nested+"/"+f.member, inner
	default:
		return "", &chat.Field{Pointer: "#/" + f.nested, Detail: "must be an object"}, nil
	}
	var fault string
	switch text.kind {
	case '"':
		fault = f.rule(text.text)
	case 0:
		fault = "is required"
	default:
		fault = "must be a string"
	}
	if fault != "" {
		return "", &chat.Field{Pointer: pointer, Detail: fault}, nil
	}
	return text.text, nil, nil
}

// read reads the whole body.
func (d *decoder) read(f form) (flat, outer, inner found, err error) {
	if d.json.PeekKind() != '{' {
		if _, err = d.json.ReadValue(); err == nil {
			err = errNoObject
		}
		return
	}
	err = d.object(func(name jsontext.Value) error {
		switch {
		case named(name, f.member):
			flat, err = d.text()
			return err
		case named(name, f.nested):
			outer.kind = d.json.PeekKind()
			if outer.kind != '{' {
				return d.json.SkipValue()
			}
			return d.object(func(name jsontext.Value) error {
				if !named(name, f.member) {
					return d.json.SkipValue()
				}
				inner, err = d.text()
				return err
			})
		}
		return d.json.SkipValue()
	})
	if err == nil {
		if _, end := d.json.ReadToken(); !errors.Is(end, io.EOF) {
			err = errTrailing
		}
	}
	return
}

// object reads an object; member must read the value that follows the name, which is valid until then.
func (d *decoder) object(member func(name jsontext.Value) error) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// text reads a value, of which only a string is kept.
func (d *decoder) text() (found, error) {
	kind := d.json.PeekKind()
	if kind != '"' {
		return found{kind: kind}, d.json.SkipValue()
	}
	t, err := d.json.ReadToken()
	if err != nil {
		return found{}, err
	}
	return found{kind, t.String()}, nil
}

// named compares a member's name, case and all.
func named(quoted jsontext.Value, name string) bool {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1:len(quoted)-1]) == name
	}
	plain, err := jsontext.AppendUnquote(nil, quoted)
	return err == nil && string(plain) == name
}

var (
	errNoObject = errors.New("api: no JSON object")
	errTrailing = errors.New("api: text after the JSON object")
)

// complaint says what is wrong with a body, and repeats nothing of it.
func complaint(err error) string {
	switch {
	case errors.Is(err, errNoObject):
		return "The body must be a JSON object."
	case errors.Is(err, errTrailing):
		return "There must be nothing after the JSON object."
	case errors.Is(err, io.EOF):
		return "The body is empty; a JSON object is needed."
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "A member must not come twice."
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Sprintf("The body is not valid JSON in UTF-8 at or after byte %d.", e.ByteOffset)
	}
	return "The body is not valid JSON in UTF-8."
}
