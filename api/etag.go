package api

import (
	"bytes"
	"strconv"

	"chat-system/internal/chat"
)

// appendETag renders a message's entity tag: its version, which the flush keeps and an edit raises.
func appendETag(b []byte, v chat.Version) []byte {
	return append(strconv.AppendInt(append(b, '"'), int64(v), 36), '"')
}

// matches tells whether a value of If-None-Match names the entity tag, compared weakly, as RFC 9110, 13.1.2, has it.
func matches(value, etag []byte) bool {
	for rest := value; ; {
		rest = bytes.TrimLeft(rest, " \t,")
		if len(rest) == 0 {
			return false
		}
		if rest[0] == '*' {
			return len(bytes.TrimSpace(value)) == 1
		}
		rest = bytes.TrimPrefix(rest, []byte("W/"))
		if len(rest) == 0 || rest[0] != '"' {
			return false
		}
		end := bytes.IndexByte(rest[1:], '"')
		if end < 0 {
			return false
		}
		if bytes.Equal(rest[:end+2], etag) {
			return true
		}
		rest = rest[end+2:]
	}
}
