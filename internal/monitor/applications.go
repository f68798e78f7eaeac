package monitor

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"

	"chat-system/internal/chat"
)

const (
	applicationsPerPage = 50
	chatsPerPage        = 20 // each with its newest message
	messagesPerPage     = 50
)

type applicationsPage struct {
	Applications []chat.Application
	Next         string
	First        bool
}

func (m *Monitor) listApplications(v *visit) error {
	cursor := v.query("cursor")
	apps, next, err := m.Store.Applications(v, cursor, applicationsPerPage)
	if err != nil {
		return m.failed(v, err)
	}
	return m.page(v, fasthttp.StatusOK, "applications", "Applications", applicationsPage{apps, next, cursor == ""})
}

// failed answers an error of the Store.
func (m *Monitor) failed(v *visit, err error) error {
	if e, ok := errors.AsType[*chat.Error](err); ok && e.Code != chat.Unavailable {
		return m.missing(v, e.Message)
	}
	return m.away(v, err)
}

type applicationPage struct {
	chat.Application
	Chats  []chatRow
	Before int64 // for the page of older ones; 0: there are none
	First  bool
}

type chatRow struct {
	chat.Chat
	Newest  *chat.Message // nil: none that can be read
	Excerpt string
}

type chatPage struct {
	Application chat.Application
	chat.Chat
	Messages []chat.Message
	Before   int64
	First    bool
}

// application answers ID, the page of an application, and ID/NUMBER, that of a chat. Addresses name the application by its id:
// its token is the right to all of it, and is on no page.
func (m *Monitor) application(v *visit, path string) error {
	id, number, isChat := strings.Cut(path, "/")
	key, err := strconv.ParseInt(id, 10, 64)
	if err != nil || key <= 0 {
		return m.missing(v, "There is no such application.")
	}
	row, err := m.DB.ApplicationByID(v, key)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return m.missing(v, "There is no such application.")
	case err != nil:
		return m.away(v, err)
	}
	app, err := m.Store.Application(v, row.Token)
	if err != nil {
		return m.failed(v, err)
	}
	if !isChat {
		return m.chats(v, app)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 {
		return m.missing(v, "There is no such chat.")
	}
	return m.messages(v, app, n)
}

// below is the window of numbers that a page shows: those just below the query's «before», or the newest.
func below(v *visit, count int64, limit int) (page chat.Page, first bool) {
	before, err := strconv.ParseInt(v.query("before"), 10, 64)
	if err != nil || before <= 1 || before > count {
		return chat.Page{Before: count + 1, Limit: limit}, true
	}
	return chat.Page{Before: before, Limit: limit}, false
}

func (m *Monitor) chats(v *visit, app chat.Application) error {
	window, first := below(v, app.ChatsCount, chatsPerPage)
	l, err := m.Store.Chats(v, app.Token, window)
	if err != nil {
		return m.failed(v, err)
	}
	p := applicationPage{Application: app, First: first, Chats: make([]chatRow, len(l.Items))}
	var wg sync.WaitGroup // reads at the same time go to the engines together
	for i, c := range l.Items {
		row := &p.Chats[len(l.Items)-1-i]
		row.Chat = c
		if c.MessagesCount > 0 {
			wg.Go(func() {
				if newest, err := m.Store.Message(v, app.Token, c.Number, c.MessagesCount); err == nil {
					row.Newest, row.Excerpt = &newest, excerpt(newest.Body)
				}
			})
		}
	}
	wg.Wait()
	if l.From > 1 {
		p.Before = l.From
	}
	return m.page(v, fasthttp.StatusOK, "application", app.Name, p)
}

func (m *Monitor) messages(v *visit, app chat.Application, number int64) error {
	c, err := m.Store.Chat(v, app.Token, number)
	if err != nil {
		return m.failed(v, err)
	}
	p := chatPage{Application: app, Chat: c}
	var window chat.Page
	window, p.First = below(v, c.MessagesCount, messagesPerPage)
	l, err := m.Store.Messages(v, app.Token, number, window)
	if err != nil {
		return m.failed(v, err)
	}
	for i := range l.Items {
		p.Messages = append(p.Messages, l.Items[len(l.Items)-1-i])
	}
	if l.From > 1 {
		p.Before = l.From
	}
	return m.page(v, fasthttp.StatusOK, "chat", "Chat "+number64(number)+" of "+app.Name, p)
}
