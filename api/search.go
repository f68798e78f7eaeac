package api

func searchMessages(x *exchange) error {
	p, err := x.place()
	if err != nil {
		return err
	}
	q := x.query()
	text, limit, cursor := q.search(), q.limit(), q.cursor()
	if err := invalid(q.faults); err != nil {
		return err
	}
	hits, next, err := x.server.config.Store.Search(x, p.token, p.chat, text, cursor, limit)
	if err != nil {
		return err
	}
	if next != "" {
		x.link("next", p.list()+"/search", "cursor", next, "limit", decimal(limit), "q", text)
	}
	x.render(200, func(b []byte) []byte { return appendArray(b, hits, appendHit) })
	return nil
}
