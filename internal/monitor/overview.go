package monitor

import (
	"encoding/json"
	"regexp"

	"github.com/valyala/fasthttp"
)

// overview is the first page: the browser fills in the numbers.
type overview struct {
	Address string // of the service, for commands to copy
	Token   bool   // creating an application needs the administrator's
	Local   bool
}

// plainHost has nothing that a shell reads as more than text.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

func (m *Monitor) overview(v *visit) error {
	host, scheme := string(v.http.Host()), "http"
	if !plainHost.MatchString(host) {
		host = "127.0.0.1:3000"
	}
	if v.secure() {
		scheme = "https"
	}
	return m.page(v, fasthttp.StatusOK, "overview", "Overview", overview{Address: scheme + "://" + host, Token: m.AdminToken != "", Local: m.Local})
}

// data answers the page's question for numbers; its first one asks for those of the last minutes too.
func (m *Monitor) data(v *visit) error {
	newest, history := m.sampler.sample(v, v.query("history") != "")
	body, err := json.Marshal(struct {
		*sample
		History []point `json:"history,omitempty"`
	}{newest, history})
	if err == nil {
		v.answer(fasthttp.StatusOK, "application/json", body)
	}
	return err
}
