package monitor

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"log/slog"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
	"chat-system/internal/search"
)

// Store reads what clients have put.
type Store interface {
	Applications(ctx context.Context, cursor string, limit int) (apps []chat.Application, next string, err error)
	Application(ctx context.Context, token string) (chat.Application, error)
	Chat(ctx context.Context, token string, number int64) (chat.Chat, error)
	Chats(ctx context.Context, token string, page chat.Page) (chat.List[chat.Chat], error)
	Message(ctx context.Context, token string, chatNumber, number int64) (chat.Message, error)
	Messages(ctx context.Context, token string, chatNumber int64, page chat.Page) (chat.List[chat.Message], error)
}

// Setting is a line of the configuration, with nothing secret in it.
type Setting struct{ Name, Value, Doc string }

// Names of the engines, as people know them.
type Names struct{ Redis, Database, Search string }

// Config is what a Monitor shows, and who may look.
type Config struct {
	AdminToken string // with which people sign in
	Open       bool   // without a token, whoever reaches it by a name of this machine may look; else nobody
	Local      bool   // the whole service is this process

	Store      Store
	DB         *db.DB
	Queue      *queue.Queue
	Redis      *queue.Client
	Index      search.Index    // nil: search is off
	Indexes    flusher.Indexes // that get what a retry stores; nil: search is off
	BackupsURL string          // where the backup controller tells of them; empty: they are not known here
	Names      Names
	Durability func() []string // what weakens it; nil: nothing can
	Settings   []Setting
	Log        *slog.Logger
}

// Monitor serves the page. It is safe for concurrent use.
type Monitor struct {
	Config
	keys     keys
	attempts *attempts
	sampler  *sampler
	letters  flusher.DeadLetters
	backups  backups
}

// New makes a Monitor.
func New(c Config) *Monitor {
	m := &Monitor{
		Config: c, keys: newKeys(c.AdminToken), attempts: newAttempts(c.Redis.Redis()),
		letters: flusher.DeadLetters{DB: c.DB, Indexes: c.Indexes},
	}
	m.sampler = &sampler{Config: &m.Config, backlog: make([]backlog, c.Queue.Partitions), letters: letterCount{last: map[string]int{}}, away: map[string]spell{}}
	return m
}

// visit is one request and its answer.
type visit struct {
	context.Context
	http   *fasthttp.RequestCtx
	client string // whose it is, for what is counted by client
	nonce  []byte // of the session
}

// contentPolicy: scripts and style sheets from here alone, none in the pages themselves.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Serve answers what lies at /monitor and below, and /sidekiq. Its errors are faults.
func (m *Monitor) Serve(ctx context.Context, h *fasthttp.RequestCtx, client string) error {
	v := &visit{Context: ctx, http: h, client: client}
	v.set("Content-Security-Policy", contentPolicy)
	v.set("Referrer-Policy", "same-origin") // with none at all, browsers don't say where a form comes from
	v.set("Cross-Origin-Opener-Policy", "same-origin")
	path := string(h.Path())
	if path == "/sidekiq" {
		v.redirect("/monitor")
		return nil
	}
	path = strings.Trim(strings.TrimPrefix(path, "/monitor"), "/")
	if name, ok := strings.CutPrefix(path, "assets/"); ok {
		v.asset(name)
		return nil
	}
	post := h.IsPost()
	if post && !sameOrigin(&h.Request.Header) {
		return m.refuse(v, "This was sent by a page of another site. Nothing was done.")
	}
	switch {
	case m.AdminToken != "":
	case !m.Open:
		return m.refuse(v, "The monitoring page needs a token to sign in with: start the service with ADMIN_TOKEN set.")
	case !toLoopback(string(h.Host())):
		return m.refuse(v, "Without ADMIN_TOKEN the monitoring page is for this machine alone, at an address such as 127.0.0.1 or localhost.")
	case throughProxy(&h.Request.Header):
		return m.refuse(v, "Without ADMIN_TOKEN the monitoring page is for this machine alone, and this came through a proxy.")
	}
	signedIn := true
	if m.AdminToken != "" {
		if path == "sign-in" {
			return m.signIn(v)
		}
		v.nonce, signedIn = m.keys.session(h.Request.Header.Cookie(cookieName), time.Now())
	}
	if !signedIn {
		if path == "data" {
			v.answer(fasthttp.StatusUnauthorized, "application/json", []byte(`{"error":"signed out"}`))
		} else {
			v.redirect(signInAt(string(h.RequestURI()), post))
		}
		return nil
	}
	if post && !sameToken(h.PostArgs().Peek("form_token"), m.keys.formToken(v.nonce)) {
		return m.refuse(v, "This form is out of date. Nothing was done; load the page again.")
	}
	return m.route(v, path, post)
}

func (m *Monitor) route(v *visit, path string, post bool) error {
	first, rest, _ := strings.Cut(path, "/")
	switch {
	case post && path == "sign-out":
		v.setCookie("", -1)
		v.redirect("/monitor/sign-in")
		return nil
	case post && path == "dead-letters/retry":
		return m.retry(v)
	case post && path == "dead-letters/retry-all":
		return m.retryAll(v)
	case post && path == "dead-letters/discard":
		return m.discard(v)
	case post:
	case path == "":
		return m.overview(v)
	case path == "data":
		return m.data(v)
	case path == "dead-letters":
		return m.listLetters(v)
	case path == "dead-letters/letter":
		return m.readLetter(v, false)
	case path == "dead-letters/discard":
		return m.readLetter(v, true)
	case path == "applications":
		return m.listApplications(v)
	case first == "applications":
		return m.application(v, rest)
	case path == "configuration":
		return m.page(v, fasthttp.StatusOK, "configuration", "Configuration", m.Settings)
	case path == "runbooks":
		return m.listRunbooks(v)
	case first == "runbooks":
		return m.runbook(v, rest)
	case path == "backups" && m.BackupsURL != "":
		return m.listBackups(v)
	}
	return m.missing(v, "There is no such page.")
}

//go:embed templates
var templateFiles embed.FS

var templates = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range []string{
		"overview", "letters", "letter", "applications", "application", "chat", "configuration", "backups", "runbooks", "runbook", "sign-in", "message",
	} {
		all[name] = template.Must(template.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html"))
	}
	return all
}()

// layout is what every page has.
type layout struct {
	Title     string
	Section   string // of the navigation
	SignedIn  bool   // and can sign out
	Known     bool   // may look: there is a navigation
	Backups   bool
	FormToken string
	Page      any
}

func (m *Monitor) page(v *visit, status int, name, title string, data any) error {
	section := map[string]string{"letter": "letters", "application": "applications", "chat": "applications", "runbook": "runbooks"}[name]
	if section == "" {
		section = name
	}
	known := m.AdminToken == "" || v.nonce != nil
	l := layout{
		Title: title, Section: section, SignedIn: v.nonce != nil, Known: known && name != "message", Backups: m.BackupsURL != "", Page: data,
	}
	if known {
		l.FormToken = m.keys.formToken(v.nonce)
	}
	var b bytes.Buffer
	if err := templates[name].Execute(&b, l); err != nil {
		return err
	}
	v.answer(status, "text/html; charset=utf-8", b.Bytes())
	return nil
}

// notice is a page that says something, and nothing else.
type notice struct{ Text string }

func (m *Monitor) refuse(v *visit, text string) error {
	return m.page(v, fasthttp.StatusForbidden, "message", "Not allowed", notice{text})
}

func (m *Monitor) missing(v *visit, text string) error {
	return m.page(v, fasthttp.StatusNotFound, "message", "Not found", notice{text})
}

func (m *Monitor) away(v *visit, err error) error {
	m.Log.Warn("the monitoring page can't be answered", "error", err)
	return m.page(v, fasthttp.StatusServiceUnavailable, "message", "Not available now", notice{"An engine does not answer. The overview tells which."})
}

func (v *visit) set(name, value string) { v.http.Response.Header.Set(name, value) }

func (v *visit) answer(status int, contentType string, body []byte) {
	v.http.SetStatusCode(status)
	v.http.SetContentType(contentType)
	v.http.SetBody(body)
}

// redirect has a relative address: behind a proxy another one is not known.
func (v *visit) redirect(to string) {
	v.http.SetStatusCode(fasthttp.StatusSeeOther)
	v.set("Location", to)
}

func (v *visit) query(name string) string { return string(v.http.QueryArgs().Peek(name)) }

func (v *visit) form(name string) string { return string(v.http.PostArgs().Peek(name)) }

// secure says whether the client came by https, as the proxies before this process say.
func (v *visit) secure() bool {
	proto, _, _ := strings.Cut(string(v.http.Request.Header.Peek("X-Forwarded-Proto")), ",") // the first is the client's
	return strings.TrimSpace(proto) == "https"
}

func (v *visit) setCookie(value string, age time.Duration) {
	var c fasthttp.Cookie
	c.SetKey(cookieName)
	c.SetValue(value)
	c.SetPath("/monitor")
	c.SetHTTPOnly(true)
	c.SetSameSite(fasthttp.CookieSameSiteLaxMode) // a link to the page from elsewhere works; a form from elsewhere is refused
	c.SetSecure(v.secure())
	if age < 0 {
		c.SetExpire(fasthttp.CookieExpireDelete)
	} else {
		c.SetMaxAge(int(age.Seconds()))
	}
	v.http.Response.Header.SetCookie(&c)
}
