package monitor

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"time"
)

// functions of the templates.
var functions = template.FuncMap{
	"number": number64,
	"time":   shownTime,
	"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"query":  query,
	"bytes":  shownBytes,
}

func shownTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// number64 has a thin space between each three digits.
func number64(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

func shownBytes(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v := float64(n)
	unit := ""
	for _, unit = range units {
		if v /= 1024; v < 1024 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

// query makes an address' query of names and values; what is empty is left out. It is escaped, and is not to be once more.
func query(pairs ...string) template.URL {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return template.URL(q.Encode()) //nolint:gosec // by Encode
}
