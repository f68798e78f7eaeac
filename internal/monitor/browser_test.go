package monitor_test

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"chat-system/internal/chat"
	"chat-system/internal/enginetest"
	"chat-system/internal/monitor"
)

// axe-core 4.14.1 (https://github.com/dequelabs/axe-core) finds faults that keep people from using a page.
//
//go:embed testdata/axe/axe.min.js
var axe string

// browser is a real one, which notes what goes wrong in its pages.
type browser struct {
	*bundle
	ctx context.Context

	mu     sync.Mutex
	faults []string
}

func browse(b *bundle) *browser {
	command := enginetest.Chromium(b.t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(command[0]), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	b.t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	b.t.Cleanup(cancel)
	b.must(chromedp.Do(ctx)) // starts it; a time limit of this call would be the browser's
	said := chromedp.Console(ctx)
	w := &browser{bundle: b}
	w.ctx, cancel = context.WithTimeout(ctx, 10*time.Minute)
	b.t.Cleanup(cancel)
	go func() {
		for message, err := range said {
			if err != nil {
				return
			}
			w.mu.Lock()
			w.faults = append(w.faults, fmt.Sprintf("%s: %s %s", message.Type, message.Text, message.URL))
			w.mu.Unlock()
		}
	}()
	w.run(chromedp.EmulateViewport(1280, 900))
	return w
}

func (w *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, steps...); err != nil {
		w.t.Fatal(err, w.complaints())
	}
}

// complaints are what the browser found wrong since they were asked for last.
func (w *browser) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	faults := w.faults
	w.faults = nil
	return faults
}

// value is what an expression is in the page.
func value[T any](w *browser, expression string, options ...chromedp.EvaluateOption) T {
	w.t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		w.t.Fatal(err, w.complaints())
	}
	return v
}

// sees waits until an expression is true in the page.
func (w *browser) sees(expression string) {
	w.t.Helper()
	defer func() {
		if w.t.Failed() {
			text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("location + ' ' + document.hidden + ' ' + document.body.innerText"))
			w.t.Log("the page: ", text, err, w.complaints())
		}
	}()
	w.eventually(expression, func() bool {
		is, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && is
	})
}

func (w *browser) open(path string) {
	w.t.Helper()
	w.run(chromedp.Navigate(w.url+path), chromedp.WaitReady(chromedp.CSS("#main")))
}

func (w *browser) click(selector string) { w.t.Helper(); w.run(chromedp.Click(chromedp.CSS(selector))) }

func (w *browser) types(selector, text string) {
	w.t.Helper()
	w.run(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// scheme is light, dark, or what the browser prefers.
func scheme(name string) chromedp.Action[chromedp.Void] {
	var p emulation.SetEmulatedMediaParams
	if name != "" {
		p.Features = []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, p)
		return err
	})
}

// look checks a page in the light and in the dark, wide and narrow; it leaves pictures where MONITOR_SCREENSHOTS says.
func (w *browser) look(name string) {
	w.t.Helper()
	for _, width := range []int64{1280, 390} {
		for _, colours := range []string{"light", "dark"} {
			w.run(chromedp.EmulateViewport(width, 900), scheme(colours))
			if wide := value[int64](w, "document.documentElement.scrollWidth"); wide > width {
				w.t.Errorf("%s is %d wide on a screen of %d", name, wide, width)
			}
			w.axe(fmt.Sprintf("%s, %d, %s", name, width, colours))
			if folder := os.Getenv("MONITOR_SCREENSHOTS"); folder != "" {
				picture, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
				w.must(err)
				w.must(os.MkdirAll(folder, 0o755))
				w.must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%d-%s.png", name, width, colours)), picture, 0o644))
			}
		}
	}
	w.run(chromedp.EmulateViewport(1280, 900), scheme(""))
	if faults := w.complaints(); len(faults) > 0 {
		w.t.Errorf("%s: the browser complains: %s", name, strings.Join(faults, "\n"))
	}
}

func (w *browser) axe(where string) {
	w.t.Helper()
	const check = `axe.run().then(r => r.violations.filter(v => v.impact === 'serious' || v.impact === 'critical')
		.map(v => v.id + ': ' + v.help + ' ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join('; ')))`
	value[bool](w, axe+"; true")
	for _, f := range value[[]string](w, check, chromedp.EvalAwaitPromise) {
		w.t.Errorf("%s: %s", where, f)
	}
}

const number = `(name) => Number(document.querySelector('[data-live=' + name + ']').textContent.replace(/[^0-9.]/g, ''))`

func TestInABrowser(t *testing.T) { //nolint:paralleltest // a browser is slow enough by itself
	b := setup(t, nil)
	w := browse(b)

	w.open("/monitor")
	w.sees("location.pathname === '/monitor/sign-in'")
	w.look("sign-in")
	w.types("#token", adminToken+kb.Enter)
	w.sees("document.title.startsWith('Overview') && document.querySelector('#partition-table tbody tr')")
	w.sees("document.querySelector('#first').open && document.querySelector('#commands').textContent.includes('" + b.url + "')")
	w.look("overview-empty")

	token := b.newApplication("My shop")
	for i := range 30 {
		b.post(token, fmt.Sprintf("Is the blue teapot no. %d in stock?", i))
	}
	w.sees("(" + number + ")('waiting') >= 31")
	b.flush()
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, _, err := b.store.CreateMessage(t.Context(), token, 1, "Yes, three of them.", chat.Idempotency{}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	w.sees("(" + number + ")('accepted') > 20 && (" + number + ")('flushed') > 20")
	w.sees("document.querySelector('#first h2').textContent.startsWith('The first message')")
	w.sees("document.querySelectorAll('.chart canvas').length === 3 && document.querySelector('#t-rate').textContent.includes('at most')")
	w.sees("performance.getEntriesByType('resource').filter(r => r.name.includes('/monitor/data')).length > 12") // the charts have some lines
	close(stop)
	writing.Wait()
	w.sees("document.querySelector('#finding-list').textContent.startsWith('Keeping up')")
	w.sees("[...document.querySelectorAll('#partition-table .leader')].every(c => c.textContent === '" + flusherName + "')")
	w.look("overview-busy")

	ids := b.deadLetters(token, "poison <script>document.title='broken'</script>", "poison 2", "poison 3")
	w.sees("(" + number + ")('letters') === 3")
	w.open("/monitor/dead-letters")
	w.look("dead-letters")
	w.types("#q", "poison 2"+kb.Enter)
	w.sees("document.querySelectorAll('.letters li').length === 1")
	b.exec("ALTER TABLE messages DROP CONSTRAINT poison")
	w.click(".letters button")
	w.sees("document.querySelector('.done').textContent === '1 dead letter was stored.' && document.querySelectorAll('.letters li').length === 2")
	var stored int
	b.must(b.sql.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM messages WHERE body = 'poison 2'").Scan(&stored))
	if stored != 1 {
		t.Error("what was retried has no row")
	}
	w.click(".letters h2 a")
	w.sees("document.title.startsWith('Dead letter ')")
	w.look("dead-letter")
	w.click("a.danger")
	w.sees("document.title.startsWith('Discard')")
	w.look("discard")
	w.click("button.danger")
	w.sees("document.querySelector('.done').textContent.includes('was discarded')")
	w.click("[data-live-region] > form button") // the last one
	w.sees("document.querySelector('.done').textContent === '1 dead letter was stored.' && document.querySelector('.nothing')")
	var left int
	b.must(b.sql.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM dead_letters WHERE state = 'open'").Scan(&left))
	if left != 0 || len(ids) != 3 {
		t.Errorf("%d are left of %d", left, len(ids))
	}
	w.look("dead-letters-none")

	w.open("/monitor/applications")
	w.look("applications")
	w.click("tbody a")
	w.sees("document.querySelector('.letters .body')")
	w.look("application")
	w.click(".letters h3 a")
	w.sees("document.querySelectorAll('ol.letters li').length === 49") // of fifty numbers, one of which was discarded
	b.post(token, "This came while you looked.")
	w.sees("document.querySelector('.letters .body').textContent === 'This came while you looked.'")
	w.look("chat")
	w.open("/monitor/runbooks")
	w.look("runbooks")
	w.open("/monitor/runbooks/ChatWritesFailing")
	w.look("runbook")
	w.open("/monitor/configuration")
	w.look("configuration")

	w.open("/monitor")
	w.sees("document.querySelectorAll('#engine-list .good').length === 2")
	b.redis.Pause()
	w.sees("document.querySelector('#engine-list .bad')")
	w.sees("document.querySelector('#finding-list .failed strong').textContent.startsWith('Nothing is accepted: Redis does not answer. Seen since ')")
	w.sees("document.querySelector('#finding-list .failed a:not([hidden])').getAttribute('href') === '/monitor/runbooks/ChatWritesFailing'")
	w.sees("document.querySelector('#durability').textContent === 'Not known while Redis is broken.'")
	w.look("overview-broken")
	b.redis.Resume()
	w.sees("!document.querySelector('#engine-list .bad')")
	w.sees("document.querySelector('#engine-list .facts').textContent.includes('It was broken from ')")

	// the pod that answers is killed, and another one takes its place: the page goes on by itself
	value[chromedp.Void](w, "window.same = true")
	b.kill()
	w.sees("!document.querySelector('#connection').hidden && document.querySelector('#connection').textContent.startsWith('The service does not answer')")
	w.complaints() // that nobody answered
	b.pod(strings.TrimPrefix(b.url, "http://"))
	w.sees("document.querySelector('#connection').hidden && window.same")
	token = b.newApplication("Another shop")
	b.post(token, "x")
	w.sees("document.querySelector('#finding-list').textContent.startsWith('Keeping up')")

	// with the keyboard alone: the first stop skips to the content
	w.open("/monitor")
	w.run(chromedp.KeyEvent(kb.Tab))
	w.sees("document.activeElement.className === 'skip'")
	w.run(chromedp.KeyEvent(kb.Enter))
	w.sees("document.activeElement.id === 'main'")
	w.click("header form button")
	w.sees("location.pathname === '/monitor/sign-in'")
}

// Ten thousand dead letters are a page as any other: counted, looked through and searched to the last.
func TestTenThousandDeadLetters(t *testing.T) { //nolint:paralleltest // as above
	b := setup(t, nil)
	b.flush()
	token := b.newApplication("a")
	b.deadLetters(token, "poison")
	const digits = "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	b.exec(`INSERT INTO dead_letters (partition_id, version, sink, kind, application_id, chat_number, number, reason, payload, state, created_at)
		SELECT partition_id, version + i, sink, kind, application_id, chat_number, number + i, CONCAT('reason ', i), payload, state, created_at
		FROM dead_letters, (SELECT 1000 * a.n + 100 * b.n + 10 * c.n + d.n AS i FROM ` + digits + " a, " + digits + " b, " + digits + " c, " + digits + ` d) numbers WHERE i > 0`)
	w := browse(b)
	w.open("/monitor/sign-in")
	w.types("#token", adminToken+kb.Enter)
	w.sees("(" + number + ")('letters') === 10000")
	w.look("overview-letters")
	w.click(".tiles a")
	w.sees("document.querySelectorAll('.letters li').length === 50")
	w.sees("document.querySelector('.found .facts').textContent === '10\u202f000 are open.'")
	seen := 50
	for value[bool](w, "!!document.querySelector('.found > p a')") && seen < 200 {
		first := value[string](w, "document.querySelector('.letters li').id")
		w.click(".found > p a")
		w.sees("document.querySelectorAll('.letters li').length === 50 && document.querySelector('.letters li').id !== '" + first + "'")
		seen += 50
	}
	if seen != 200 {
		t.Errorf("%d on four pages", seen)
	}
	w.look("letters-of-many")
	w.types("#q", "reason 9999"+kb.Enter)
	for range 10 {
		w.sees("new URLSearchParams(location.search).get('q') === 'reason 9999' && document.readyState === 'complete'")
		if value[bool](w, "!!document.querySelector('.letters li')") {
			break
		}
		at := value[string](w, "location.search")
		w.click(".found > p a")
		w.sees("location.search !== '" + at + "'")
	}
	w.sees("document.querySelector('.reason').textContent === 'reason 9999'")
}

// While the page is not looked at, it asks nothing.
func TestAHiddenPageAsksNothing(t *testing.T) { //nolint:paralleltest // as above
	b := setup(t, func(c *monitor.Config) { c.AdminToken, c.Open = "", true })
	w := browse(b)
	w.open("/monitor")
	w.sees("performance.getEntriesByType('resource').filter(r => r.name.includes('/monitor/data')).length > 1")
	value[chromedp.Void](w, `Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});
		window.asked = 0; const ask = window.fetch; window.fetch = (...all) => { window.asked++; return ask(...all); };
		setTimeout(() => { window.still = window.asked === 0; }, 5000)`)
	w.sees("window.still !== undefined")
	if !value[bool](w, "window.still") {
		t.Error("a hidden page asks")
	}
	value[chromedp.Void](w, "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
	w.sees("window.asked > 0")
}
