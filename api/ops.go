package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// Ops serves the port that is for operators alone: /metrics, /healthz, /readyz and, for debugging, pprof.
type Ops struct{ server http.Server }

// NewOps makes the server; debug adds /debug/pprof/.
func NewOps(metrics http.Handler, health *Health, debug bool) *Ops {
	mux := http.NewServeMux()
	get := func(path string, handler http.Handler) {
		mux.Handle("GET "+path, handler)
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			fail(w, &problem{kind: kindMethod, detail: "See Allow for the methods of this path.", allow: "GET, HEAD"})
		})
	}
	get("/metrics", metrics)
	get("/healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, string(jsonType), []byte(alive)) }))
	get("/readyz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, p := health.report()
		if p != nil {
			fail(w, p)
			return
		}
		answer(w, 200, string(jsonType), body)
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, errNoSuch) })
	write := 30 * time.Second
	if debug {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		write = 5 * time.Minute // a profile takes as long as it is told
	}
	return &Ops{http.Server{
		Handler: identified(mux), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: write,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeaders,
	}}
}

// Serve serves until Close; it gives no error then.
func (o *Ops) Serve(ln net.Listener) error {
	if err := o.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close answers what has begun and stops.
func (o *Ops) Close(ctx context.Context) error { return o.server.Shutdown(ctx) }

// identified gives every answer the request's id.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(string(keyRequestID), requestID([]byte(r.Header.Get(string(keyRequestID)))))
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set(string(keyNosniff), string(valueNosniff))
	h.Set(string(keyCacheControl), string(valueNoStore))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

func fail(w http.ResponseWriter, p *problem) {
	if p.allow != "" {
		w.Header().Set("Allow", p.allow)
	}
	if p.retry > 0 {
		w.Header().Set("Retry-After", decimal(p.retry))
	}
	answer(w, p.status, problemType, p.render(w.Header().Get(string(keyRequestID))))
}
