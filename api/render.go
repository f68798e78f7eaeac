package api

import (
	"strconv"
	"sync"
	"time"

	"chat-system/internal/chat"
)

// What the clients get, written by hand: it is little, and reflection would cost the hot path.

func appendApplication(b []byte, a *chat.Application) []byte {
	b = append(b, `{"name":`...)
	b = appendString(b, a.Name)
	b = append(b, `,"token":`...)
	b = appendString(b, a.Token)
	b = append(b, `,"chats_count":`...)
	b = strconv.AppendInt(b, a.ChatsCount, 10)
	return append(appendTimes(b, a.CreatedAt, a.UpdatedAt), '}')
}

func appendChat(b []byte, c *chat.Chat) []byte {
	b = append(b, `{"number":`...)
	b = strconv.AppendInt(b, c.Number, 10)
	b = append(b, `,"messages_count":`...)
	b = strconv.AppendInt(b, c.MessagesCount, 10)
	return append(appendTimes(b, c.CreatedAt, c.UpdatedAt), '}')
}

func appendMessage(b []byte, m *chat.Message) []byte {
	return append(appendMessageMembers(b, m), '}')
}

func appendHit(b []byte, h *chat.Hit) []byte {
	b = appendMessageMembers(b, &h.Message)
	b = append(b, `,"highlight":`...)
	b = appendString(b, h.Highlight)
	return append(b, '}')
}

func appendMessageMembers(b []byte, m *chat.Message) []byte {
	b = append(b, `{"number":`...)
	b = strconv.AppendInt(b, m.Number, 10)
	b = append(b, `,"body":`...)
	b = appendString(b, m.Body)
	return appendTimes(b, m.CreatedAt, m.UpdatedAt)
}

func appendTimes(b []byte, created, updated time.Time) []byte {
	b = append(b, `,"created_at":"`...)
	b = created.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","updated_at":"`...)
	b = updated.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendArray[T any](b []byte, items []T, appendItem func([]byte, *T) []byte) []byte {
	b = append(b, '[')
	for i := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendItem(b, &items[i])
	}
	return append(b, ']')
}

// keptBuffer bounds what the pool of buffers keeps of each.
const keptBuffer = 128 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// render calls appendTo with a buffer and sends what comes back.
func (x *exchange) render(status int, appendTo func([]byte) []byte) {
	buffer := buffers.Get().(*[]byte) //nolint:forcetypeassert // it holds nothing else
	b := appendTo((*buffer)[:0])
	x.send(status, jsonType, b)
	if cap(b) <= keptBuffer {
		*buffer = b
		buffers.Put(buffer)
	}
}
