package monitor

import (
	"html/template"

	"github.com/valyala/fasthttp"

	"chat-system/docs/runbooks"
)

// shownRunbook is one of the list.
type shownRunbook struct{ Name, Meaning string }

func (m *Monitor) listRunbooks(v *visit) error {
	var all []shownRunbook
	for _, name := range runbooks.Names() {
		all = append(all, shownRunbook{name, runbooks.Meaning(name)})
	}
	return m.page(v, fasthttp.StatusOK, "runbooks", "Runbooks", all)
}

// runbook says what to do about an alert, or about what the overview finds.
func (m *Monitor) runbook(v *visit, name string) error {
	html, ok := runbooks.HTML(name)
	if !ok {
		return m.missing(v, "There is no such runbook.")
	}
	return m.page(v, fasthttp.StatusOK, "runbook", name, template.HTML(html)) //nolint:gosec // the text is the project's own, and raw HTML in it is left out
}
