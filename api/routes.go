package api

import (
	"strings"

	"github.com/gofiber/fiber/v2"
)

// endpoint is one method of a resource.
type endpoint struct {
	server *Server
	route  string
	method string
	free   bool // of the rate limit
	admin  bool // needs the administrator's token
	handle func(*exchange) error
	*durations
}

// methods are the methods of a resource that its handlers serve. HEAD follows GET, and OPTIONS is always there.
type methods map[string]func(*exchange) error

func (s *Server) routes() {
	const (
		application = "/applications/:token"
		chats       = application + "/chats"
		messages    = chats + "/:chat/messages"
	)
	admin := endpoint{admin: true}
	limited := endpoint{}
	free := endpoint{free: true}
	// Fiber tries one after the other: what is asked for most comes first, and a fixed name before a parameter.
	s.resource(messages+"/search", limited, methods{fiber.MethodGet: searchMessages})
	s.resource(messages+"/:message", limited, methods{fiber.MethodGet: getMessage, fiber.MethodPut: editMessage, fiber.MethodPatch: editMessage})
	s.resource(messages, limited, methods{fiber.MethodGet: listMessages, fiber.MethodPost: createMessage})
	s.resource(chats+"/:chat", limited, methods{fiber.MethodGet: getChat})
	s.resource(chats, limited, methods{fiber.MethodGet: listChats, fiber.MethodPost: createChat})
	s.resource(application, limited, methods{fiber.MethodGet: getApplication, fiber.MethodPut: renameApplication, fiber.MethodPatch: renameApplication})
	s.resource("/applications", admin, methods{fiber.MethodGet: listApplications, fiber.MethodPost: createApplication})
	s.resource("/healthz", free, methods{fiber.MethodGet: getAlive})
	s.resource("/readyz", free, methods{fiber.MethodGet: getReady})
	for path, f := range files {
		s.resource(path, free, methods{fiber.MethodGet: f.get})
	}
	if s.config.Monitor != nil {
		s.resource("/monitor/*", free, methods{fiber.MethodGet: getMonitor, fiber.MethodPost: getMonitor}) // and /monitor itself
		s.resource("/sidekiq", free, methods{fiber.MethodGet: getMonitor})
	}
	for _, method := range fiber.DefaultMethods {
		s.add(endpoint{method: method, route: "/*", durations: s.nowhere.durations, handle: func(*exchange) error { return errNoSuch }})
	}
}

// resource adds every method of a path, so that the others are known to be not allowed.
func (s *Server) resource(path string, like endpoint, handlers methods) {
	var allowed []string
	for _, method := range fiber.DefaultMethods {
		if handlers[method] != nil || method == fiber.MethodOptions || (method == fiber.MethodHead && handlers[fiber.MethodGet] != nil) {
			allowed = append(allowed, method)
		}
	}
	allow := strings.Join(allowed, ", ")
	for _, method := range fiber.DefaultMethods {
		e := like
		e.route, e.method, e.durations = path, method, s.nowhere.durations
		switch e.handle = handlers[method]; {
		case e.handle != nil:
			e.durations = s.metrics.durations(path, method)
		case method == fiber.MethodHead && handlers[fiber.MethodGet] != nil:
			e.handle = handlers[fiber.MethodGet] // fasthttp leaves the body out
			e.durations = s.metrics.durations(path, fiber.MethodGet)
		case method == fiber.MethodOptions:
			e.admin = false
			e.handle = func(x *exchange) error {
				x.set("Allow", allow)
				x.http.Response.SetStatusCode(fiber.StatusNoContent)
				return nil
			}
		default:
			e.admin = false
			e.handle = func(*exchange) error {
				return &problem{kind: kindMethod, detail: "See Allow for the methods of this path.", allow: allow}
			}
		}
		s.add(e)
	}
}

func (s *Server) add(e endpoint) {
	e.server = s
	s.fiber.Add(e.method, e.route, e.serve)
}

// serve is Fiber's handler.
func (e *endpoint) serve(c *fiber.Ctx) error {
	h := c.Context()
	x := e.server.exchange(e, h, h.Time())
	x.fiber = c
	defer x.finish()
	x.err = x.run()
	return nil
}

func (x *exchange) run() error {
	if !x.endpoint.free && x.server.config.Limiter != nil {
		if err := x.limit(); err != nil {
			return err
		}
	}
	if x.endpoint.admin {
		if err := x.authorize(); err != nil {
			return err
		}
	}
	return x.endpoint.handle(x)
}
