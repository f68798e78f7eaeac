package api

import (
	"chat-system/internal/chat"
)

func createApplication(x *exchange) error {
	var faults []chat.Field
	name, err := x.text(applicationForm, &faults)
	if err != nil {
		return err
	}
	key := x.idempotency(&place{}, name, &faults)
	if err := invalid(faults); err != nil {
		return err
	}
	app, replayed, err := x.server.config.Store.CreateApplication(x, name, key)
	if err != nil {
		return err
	}
	x.accepted(201, &place{token: app.Token}, replayed, func(b []byte) []byte {
		b = append(b, `{"token":`...)
		return append(appendString(b, app.Token), '}')
	})
	return nil
}

func listApplications(x *exchange) error {
	q := x.query()
	limit, cursor := q.limit(), q.cursor()
	if err := invalid(q.faults); err != nil {
		return err
	}
	apps, next, err := x.server.config.Store.Applications(x, cursor, limit)
	if err != nil {
		return err
	}
	if next != "" {
		x.link("next", (&place{}).list(), "cursor", next, "limit", decimal(limit))
	}
	x.render(200, func(b []byte) []byte { return appendArray(b, apps, appendApplication) })
	return nil
}

func getApplication(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	app, err := x.server.config.Store.Application(x, p.token)
	if err != nil {
		return err
	}
	x.render(200, func(b []byte) []byte { return appendApplication(b, &app) })
	return nil
}

func renameApplication(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	var faults []chat.Field
	name, err := x.text(applicationForm, &faults)
	if err != nil {
		return err
	}
	if err := invalid(faults); err != nil {
		return err
	}
	app, err := x.server.config.Store.RenameApplication(x, p.token, name)
	if err != nil {
		return err
	}
	x.render(200, func(b []byte) []byte { return appendApplication(b, &app) })
	return nil
}
