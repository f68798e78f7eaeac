package monitor

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

const signInPath = "/monitor/sign-in"

// signInAt is the form's address, with where to go on afterwards. What was posted is not sent again.
func signInAt(next string, post bool) string {
	if next == "/monitor" || post {
		return signInPath
	}
	return signInPath + "?next=" + url.QueryEscape(next)
}

// safeNext keeps to this page's own addresses.
func safeNext(next string) string {
	rest, ok := strings.CutPrefix(next, "/monitor")
	if !ok || strings.ContainsAny(rest, "\\\r\n") || (rest != "" && rest[0] != '/' && rest[0] != '?') {
		return "/monitor"
	}
	return next
}

type signInForm struct {
	Next  string
	Fault string
}

func (m *Monitor) signIn(v *visit) error {
	if !v.http.IsPost() {
		return m.page(v, fasthttp.StatusOK, "sign-in", "Sign in", signInForm{Next: safeNext(v.query("next"))})
	}
	form := signInForm{Next: safeNext(v.form("next"))}
	if retry, ok := m.attempts.allow(v, v.client); !ok {
		seconds := int(math.Ceil(retry.Seconds()))
		v.set("Retry-After", strconv.Itoa(seconds))
		form.Fault = "Too many attempts. Try again in " + strconv.Itoa(seconds) + " seconds."
		return m.page(v, fasthttp.StatusTooManyRequests, "sign-in", "Sign in", form)
	}
	if !sameToken(v.http.PostArgs().Peek("token"), m.AdminToken) {
		m.Log.Warn("a sign-in to the monitoring page was refused", "client", v.client)
		form.Fault = "That is not the administrator's token."
		return m.page(v, fasthttp.StatusForbidden, "sign-in", "Sign in", form)
	}
	m.attempts.forget(v.client)
	v.setCookie(m.keys.newCookie(time.Now()), sessionTime)
	v.redirect(form.Next)
	return nil
}
