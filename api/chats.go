package api

import (
	"strconv"

	"chat-system/internal/chat"
)

func createChat(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	if err := x.noForm(); err != nil {
		return err
	}
	var faults []chat.Field
	key := x.idempotency(&p, "", &faults)
	if err := invalid(faults); err != nil {
		return err
	}
	number, replayed, err := x.server.config.Store.CreateChat(x, p.token, key)
	if err != nil {
		return err
	}
	p.chat = number
	x.accepted(202, &p, replayed, func(b []byte) []byte {
		b = append(b, `{"chat_number":`...)
		return append(strconv.AppendInt(b, number, 10), '}')
	})
	return nil
}

// noForm checks a body that need not be there and of which nothing counts.
func (x *exchange) noForm() error {
	if len(x.http.Request.Body()) == 0 {
		return nil
	}
	var faults []chat.Field
	_, err := x.text(form{rule: func(string) string { return "" }}, &faults)
	return err
}

func getChat(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	c, err := x.server.config.Store.Chat(x, p.token, p.chat)
	if err != nil {
		return err
	}
	x.render(200, func(b []byte) []byte { return appendChat(b, &c) })
	return nil
}

func listChats(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	q := x.query()
	page := q.page()
	if err := invalid(q.faults); err != nil {
		return err
	}
	l, err := x.server.config.Store.Chats(x, p.token, page)
	if err != nil {
		return err
	}
	links(x, &p, page.Limit, &l)
	x.render(200, func(b []byte) []byte { return appendArray(b, l.Items, appendChat) })
	return nil
}
