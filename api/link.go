package api

import (
	"net/url"
	"strconv"

	"chat-system/internal/chat"
)

// links tells where a list by number goes on, in both directions.
func links[T any](x *exchange, p *place, limit int, l *chat.List[T]) {
	path, size := p.list(), decimal(limit)
	if l.Next {
		x.link("next", path, "after", decimal(l.To), "limit", size)
	}
	if l.Prev {
		x.link("prev", path, "before", decimal(l.From), "limit", size)
	}
}

// link adds a Link to a path of this server, with the query's names and values in turn.
func (x *exchange) link(rel, path string, query ...string) {
	b := append([]byte{'<'}, path...)
	separator := byte('?')
	for i := 0; i < len(query); i += 2 {
		b = append(append(b, separator), query[i]...)
		b = append(append(b, '='), url.QueryEscape(query[i+1])...)
		separator = '&'
	}
	b = append(append(append(b, `>; rel="`...), rel...), '"')
	x.http.Response.Header.AddBytesV("Link", b)
}

func decimal[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }
