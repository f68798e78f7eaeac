package api

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"unicode/utf8"

	"chat-system/internal/chat"
)

// query holds those parameters of a query string that somebody asked for, and the faults in them.
type query struct {
	raw    []byte
	faults []chat.Field
}

// parameter gives a parameter's value. One that comes twice, or is no percent-encoded UTF-8, is a fault, and not ok.
func (q *query) parameter(name string) (value string, given, ok bool) {
	for rest := q.raw; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte{'&'})
		rawName, rawValue, _ := bytes.Cut(pair, []byte{'='})
		if n, err := url.QueryUnescape(string(rawName)); err != nil || n != name {
			continue
		}
		if given {
			q.fault(name, "must be given once")
			return "", true, false
		}
		v, err := url.QueryUnescape(string(rawValue))
		if err != nil || !utf8.ValidString(v) {
			q.fault(name, "must be percent-encoded UTF-8")
			return "", true, false
		}
		value, given = v, true
	}
	return value, given, given
}

func (q *query) fault(name, detail string) {
	q.faults = append(q.faults, chat.Field{Parameter: name, Detail: detail})
}

// limit is how many elements a page may have.
func (q *query) limit() int {
	v, _, ok := q.parameter("limit")
	if !ok {
		return chat.DefaultLimit
	}
	n, ok := wholeNumber(v)
	if !ok || n < 1 || n > chat.MaxLimit {
		q.fault("limit", fmt.Sprintf("must be a number from 1 to %d", chat.MaxLimit))
	}
	return int(n)
}

// page is a window of a list by number.
func (q *query) page() chat.Page {
	p := chat.Page{Limit: q.limit()}
	after, hasAfter := q.number("after")
	before, hasBefore := q.number("before")
	if hasAfter && hasBefore {
		q.fault("after", "must not come together with before")
		q.fault("before", "must not come together with after")
	}
	p.After = after
	if hasBefore {
		p.Before = max(1, before) // below 0 there is as little as below 1, and a Page's 0 means none
	}
	return p
}

func (q *query) number(name string) (n int64, given bool) {
	v, given, ok := q.parameter(name)
	if ok {
		if n, ok = wholeNumber(v); !ok {
			q.fault(name, fmt.Sprintf("must be a whole number from 0 to %d", int64(chat.MaxNumber)))
		}
	}
	return n, given
}

// cursor is where a list goes on; "" for its start. What is in it, the store knows.
func (q *query) cursor() string {
	v, _, ok := q.parameter("cursor")
	if ok && v == "" {
		q.fault("cursor", "must be a cursor from a Link of this list")
	}
	return v
}

// search is the text to search for: q or, by its older name, body. q counts where both are there.
func (q *query) search() string {
	name := "q"
	v, given, ok := q.parameter(name)
	if !given {
		name = "body"
		v, given, ok = q.parameter(name)
	}
	if !given {
		q.fault("q", "is required")
	} else if detail := chat.ValidSearch(v); ok && detail != "" {
		q.fault(name, detail)
	}
	return v
}

// wholeNumber reads digits without a leading zero, within 63 bits.
func wholeNumber(s string) (int64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' || (s[0] == '0' && len(s) > 1) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
