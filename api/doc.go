// Package api is the HTTP side of the service: what its contract, openapi.yaml, says, on Fiber and fasthttp.
//
// A request's way: listener.go bounds the connections; refuse.go answers what is no proper HTTP, before any handler;
// routes.go finds the endpoint; exchange.go gives the request its id, its deadline, its limit (limit.go) and its answer;
// one of applications.go, chats.go, messages.go and search.go decodes (decode.go, query.go, path.go), asks the Store and
// renders (render.go). Whatever goes wrong on that way becomes a problem document (problem.go).
//
// Posting and reading a message is the hot path: no middleware, no reflection, one copy of the body.
package api
