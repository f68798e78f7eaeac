package api_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"html"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"chat-system/internal/chat"
)

// fake is a Store in memory: what is tested with it is HTTP alone.
type fake struct {
	mu      sync.Mutex
	version chat.Version
	apps    []*fakeApp
	keys    map[string]map[[16]byte]fakeKey
	fail    error // what every call answers, when set
	panics  bool
	last    context.Context // of the latest call
}

type fakeApp struct {
	chat.Application
	chats []*fakeChat
}

type fakeChat struct {
	chat.Chat
	messages []chat.Message
}

type fakeKey struct {
	payload [16]byte
	answer  int64
}

func newFake() *fake { return &fake{version: 1 << 21, keys: map[string]map[[16]byte]fakeKey{}} }

func (f *fake) begin(ctx context.Context) error {
	f.mu.Lock()
	f.last = ctx
	if f.panics {
		panic("sEcReT")
	}
	return f.fail
}

func (f *fake) now() time.Time {
	f.version++
	return time.Now().UTC().Truncate(time.Microsecond)
}

// once gives the answer of a key, or makes one.
func (f *fake) once(app string, key chat.Idempotency, answer func() int64) (int64, bool, error) {
	if !key.Given {
		return answer(), false, nil
	}
	if f.keys[app] == nil {
		f.keys[app] = map[[16]byte]fakeKey{}
	}
	if k, ok := f.keys[app][key.Key]; ok {
		if k.payload != key.Payload {
			return 0, false, chat.Errorf(chat.KeyReused, "The Idempotency-Key was used with another payload.")
		}
		return k.answer, true, nil
	}
	n := answer()
	f.keys[app][key.Key] = fakeKey{key.Payload, n}
	return n, false, nil
}

func (f *fake) CreateApplication(ctx context.Context, name string, key chat.Idempotency) (chat.Application, bool, error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return chat.Application{}, false, err
	}
	i, replayed, err := f.once("", key, func() int64 {
		now := f.now()
		f.apps = append(f.apps, &fakeApp{Application: chat.Application{Token: rand.Text(), Name: name, CreatedAt: now, UpdatedAt: now}})
		return int64(len(f.apps) - 1)
	})
	if err != nil {
		return chat.Application{}, false, err
	}
	return f.apps[i].Application, replayed, nil
}

func (f *fake) Applications(ctx context.Context, cursor string, limit int) (apps []chat.Application, next string, err error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return nil, "", err
	}
	from, err := fakeCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	for i := from; i < len(f.apps); i++ {
		if len(apps) == limit {
			return apps, hex.EncodeToString([]byte(strconv.Itoa(i))), nil
		}
		apps = append(apps, f.apps[i].Application)
	}
	return apps, "", nil
}

func fakeCursor(cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	if b, err := hex.DecodeString(cursor); err == nil {
		if n, err := strconv.Atoi(string(b)); err == nil && n > 0 {
			return n, nil
		}
	}
	return 0, &chat.Error{Code: chat.Invalid, Message: "The request is invalid.", Fields: []chat.Field{{Parameter: "cursor", Detail: "must be a cursor"}}}
}

func (f *fake) app(token string) (*fakeApp, error) {
	for _, a := range f.apps {
		if a.Token == token {
			a.ChatsCount = int64(len(a.chats))
			return a, nil
		}
	}
	return nil, chat.Errorf(chat.NotFound, "There is no such application.")
}

func (f *fake) chat(token string, number int64) (*fakeChat, error) {
	a, err := f.app(token)
	if err != nil {
		return nil, err
	}
	if number > int64(len(a.chats)) {
		return nil, chat.Errorf(chat.NotFound, "There is no such chat.")
	}
	c := a.chats[number-1]
	c.MessagesCount = int64(len(c.messages))
	return c, nil
}

func (f *fake) Application(ctx context.Context, token string) (chat.Application, error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return chat.Application{}, err
	}
	a, err := f.app(token)
	if err != nil {
		return chat.Application{}, err
	}
	return a.Application, nil
}

func (f *fake) RenameApplication(ctx context.Context, token, name string) (chat.Application, error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return chat.Application{}, err
	}
	a, err := f.app(token)
	if err != nil {
		return chat.Application{}, err
	}
	a.Name, a.UpdatedAt = name, f.after(a.UpdatedAt)
	return a.Application, nil
}

func (f *fake) after(t time.Time) time.Time {
	if now := f.now(); now.After(t) {
		return now
	}
	return t.Add(time.Microsecond)
}

func (f *fake) CreateChat(ctx context.Context, token string, key chat.Idempotency) (int64, bool, error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return 0, false, err
	}
	a, err := f.app(token)
	if err != nil {
		return 0, false, err
	}
	return f.once(token, key, func() int64 {
		n, now := int64(len(a.chats)+1), f.now()
		a.chats = append(a.chats, &fakeChat{Chat: chat.Chat{Number: n, CreatedAt: now, UpdatedAt: now}})
		return n
	})
}

func (f *fake) Chat(ctx context.Context, token string, number int64) (chat.Chat, error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return chat.Chat{}, err
	}
	c, err := f.chat(token, number)
	if err != nil {
		return chat.Chat{}, err
	}
	return c.Chat, nil
}

func (f *fake) Chats(ctx context.Context, token string, page chat.Page) (chat.List[chat.Chat], error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return chat.List[chat.Chat]{}, err
	}
	a, err := f.app(token)
	if err != nil {
		return chat.List[chat.Chat]{}, err
	}
	return fakeList(page, len(a.chats), func(i int) chat.Chat { return a.chats[i].Chat }), nil
}

func fakeList[T any](page chat.Page, n int, item func(int) T) (l chat.List[T]) {
	l.From, l.To = page.Window()
	for i := l.From; i <= min(l.To, int64(n)); i++ {
		l.Items = append(l.Items, item(int(i-1)))
	}
	l.Next = int64(n) > l.To
	l.Prev = l.From > 1 && len(l.Items) > 0
	return l
}

func (f *fake) CreateMessage(ctx context.Context, token string, number int64, body string, key chat.Idempotency) (int64, bool, error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return 0, false, err
	}
	c, err := f.chat(token, number)
	if err != nil {
		return 0, false, err
	}
	return f.once(token, key, func() int64 {
		now := f.now()
		n := int64(len(c.messages) + 1)
		c.messages = append(c.messages, chat.Message{Number: n, Body: body, Version: f.version, CreatedAt: now, UpdatedAt: now})
		return n
	})
}

func (f *fake) message(token string, chatNumber, number int64) (*chat.Message, error) {
	c, err := f.chat(token, chatNumber)
	if err != nil {
		return nil, err
	}
	if number > int64(len(c.messages)) {
		return nil, chat.Errorf(chat.NotFound, "There is no such message.")
	}
	return &c.messages[number-1], nil
}

func (f *fake) Message(ctx context.Context, token string, chatNumber, number int64) (chat.Message, error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return chat.Message{}, err
	}
	m, err := f.message(token, chatNumber, number)
	if err != nil {
		return chat.Message{}, err
	}
	return *m, nil
}

func (f *fake) EditMessage(ctx context.Context, token string, chatNumber, number int64, body string) (chat.Message, error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return chat.Message{}, err
	}
	m, err := f.message(token, chatNumber, number)
	if err != nil {
		return chat.Message{}, err
	}
	m.Body, m.UpdatedAt = body, f.after(m.UpdatedAt)
	m.Version = f.version
	return *m, nil
}

func (f *fake) Messages(ctx context.Context, token string, chatNumber int64, page chat.Page) (chat.List[chat.Message], error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return chat.List[chat.Message]{}, err
	}
	c, err := f.chat(token, chatNumber)
	if err != nil {
		return chat.List[chat.Message]{}, err
	}
	return fakeList(page, len(c.messages), func(i int) chat.Message { return c.messages[i] }), nil
}

func (f *fake) Search(ctx context.Context, token string, chatNumber int64, text, cursor string, limit int) (hits []chat.Hit, next string, err error) {
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return nil, "", err
	}
	c, err := f.chat(token, chatNumber)
	if err != nil {
		return nil, "", err
	}
	from, err := fakeCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	words := strings.Fields(folded(text))
	for _, m := range c.messages[min(from, len(c.messages)):] {
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(folded(m.Body), w) }) {
			continue
		}
		if len(hits) == limit {
			return hits, hex.EncodeToString([]byte(strconv.FormatInt(m.Number-1, 10))), nil
		}
		highlight := html.EscapeString(m.Body)
		for _, w := range words {
			highlight = strings.ReplaceAll(highlight, w, "<em>"+w+"</em>")
		}
		hits = append(hits, chat.Hit{Message: m, Highlight: highlight})
	}
	return hits, "", nil
}

func folded(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
}
