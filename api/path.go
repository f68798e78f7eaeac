package api

import (
	"bytes"
	"strconv"
	"strings"
)

// place is what a path names: an application by its token and, where the path goes on, a chat and a message.
type place struct {
	token   string
	chat    int64
	message int64
}

// maxToken bounds what is asked of the database; the tokens that are made have 26 characters.
const maxToken = 64

var errNoSuch = &problem{kind: kindNotFound, detail: "There is nothing under this path."}

// place reads the path's parameters. A token that can't be one and a number that is none lead nowhere.
func (x *exchange) place() (p place, err error) {
	p.token = strings.Clone(x.fiber.Params("token")) // Fiber uses its buffer again
	ok := plausible(p.token)
	if s := x.fiber.Params("chat"); s != "" && ok {
		p.chat, ok = wholeNumber(s)
		ok = ok && p.chat > 0
	}
	if s := x.fiber.Params("message"); s != "" && ok {
		p.message, ok = wholeNumber(s)
		ok = ok && p.message > 0
	}
	if !ok {
		return p, errNoSuch
	}
	return p, nil
}

func plausible(token string) bool {
	if token == "" || len(token) > maxToken {
		return false
	}
	for i := range len(token) {
		if !unreserved(token[i]) {
			return false
		}
	}
	return true
}

// append renders the path that the place is under.
func (p *place) append(b []byte) []byte {
	b = append(b, "/applications"...)
	if p.token == "" {
		return b
	}
	b = append(append(b, '/'), p.token...)
	if p.chat == 0 {
		return b
	}
	b = strconv.AppendInt(append(b, "/chats/"...), p.chat, 10)
	if p.message == 0 {
		return b
	}
	return strconv.AppendInt(append(b, "/messages/"...), p.message, 10)
}

// list renders the path of the list that is inside the place.
func (p *place) list() string {
	b := p.append(make([]byte, 0, 96))
	switch {
	case p.chat > 0:
		b = append(b, "/messages"...)
	case p.token != "":
		b = append(b, "/chats"...)
	}
	return string(b)
}

// plainPath decodes what needed no percent-encoding in a path and changes nothing else: RFC 3986, 6.2.2.2, calls the two
// equal. A slash that is encoded stays encoded, and so leads nowhere.
func plainPath(path []byte) []byte {
	if bytes.IndexByte(path, '%') < 0 {
		return path
	}
	plain := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if c, err := strconv.ParseUint(string(path[i+1:i+3]), 16, 8); err == nil && unreserved(byte(c)) {
				plain = append(plain, byte(c))
				i += 2
				continue
			}
		}
		plain = append(plain, path[i])
	}
	return plain
}

// unreserved are the characters that RFC 3986, 2.3, names so.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
