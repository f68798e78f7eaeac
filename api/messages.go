package api

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"chat-system/internal/chat"
)

func createMessage(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	var faults []chat.Field
	body, err := x.text(messageForm, &faults)
	if err != nil {
		return err
	}
	key := x.idempotency(&p, body, &faults)
	if err := invalid(faults); err != nil {
		return err
	}
	number, replayed, err := x.server.config.Store.CreateMessage(x, p.token, p.chat, body, key)
	if err != nil {
		return err
	}
	p.message = number
	x.accepted(202, &p, replayed, func(b []byte) []byte {
		b = append(b, `{"message_number":`...)
		return append(strconv.AppendInt(b, number, 10), '}')
	})
	return nil
}

func getMessage(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	m, err := x.server.config.Store.Message(x, p.token, p.chat, p.message)
	if err != nil {
		return err
	}
	etag := x.tag(&m)
	for _, v := range x.http.Request.Header.PeekAll(fiber.HeaderIfNoneMatch) {
		if matches(v, etag) {
			x.http.Response.SetStatusCode(fiber.StatusNotModified)
			return nil
		}
	}
	x.render(200, func(b []byte) []byte { return appendMessage(b, &m) })
	return nil
}

// tag sends a message's entity tag, so that it may be kept and asked for again.
func (x *exchange) tag(m *chat.Message) []byte {
	etag := appendETag(make([]byte, 0, 16), m.Version)
	x.http.Response.Header.SetCanonical(keyETag, etag)
	x.http.Response.Header.SetCanonical(keyCacheControl, valueRevalidate)
	return etag
}

func editMessage(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	var faults []chat.Field
	body, err := x.text(messageForm, &faults)
	if err != nil {
		return err
	}
	if err := invalid(faults); err != nil {
		return err
	}
	m, err := x.server.config.Store.EditMessage(x, p.token, p.chat, p.message, body)
	if err != nil {
		return err
	}
	x.tag(&m)
	x.render(200, func(b []byte) []byte { return appendMessage(b, &m) })
	return nil
}

func listMessages(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	q := x.query()
	page := q.page()
	if err := invalid(q.faults); err != nil {
		return err
	}
	l, err := x.server.config.Store.Messages(x, p.token, p.chat, page)
	if err != nil {
		return err
	}
	links(x, &p, page.Limit, &l)
	x.render(200, func(b []byte) []byte { return appendArray(b, l.Items, appendMessage) })
	return nil
}
