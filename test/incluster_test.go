//go:build incluster

package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"chat-system/api/apitest"
)

// What runs in a pod of a cluster, against the service at SERVICE (host:port) with the ADMIN_TOKEN; test/e2e starts it.

func TestContractInCluster(t *testing.T) {
	t.Parallel()
	apitest.Run(t, apitest.Target{URL: "http://" + os.Getenv("SERVICE"), AdminToken: os.Getenv("ADMIN_TOKEN"), Search: true, Found: time.Minute})
}

// TestLoadInCluster loads the service until it is told to end, then holds it against what was acknowledged.
//
//	GET  /counts   what became of the requests up to now
//	POST /end      ends the load
func TestLoadInCluster(t *testing.T) {
	t.Parallel()
	const writers = 8
	c := newClient(t, []string{os.Getenv("SERVICE")}, writers)
	c.admin = os.Getenv("ADMIN_TOKEN")
	l := startLoad(c, loadOptions{chats: 4, writers: writers})
	end := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		refusal := ""
		if r := c.refusal.Load(); r != nil {
			refusal = *r
		}
		_ = json.NewEncoder(w).Encode(map[string]any{ // the driver asks again
			"acknowledged": l.acked.Load(), "refused": c.refused.Load(), "cut": c.cut.Load(), "refusal": refusal, "failed": t.Failed(),
		})
	})
	once := sync.OnceFunc(func() { close(end) })
	mux.HandleFunc("POST /end", func(http.ResponseWriter, *http.Request) { once() })
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: time.Second}
	go func() { _ = server.ListenAndServe() }()
	t.Cleanup(func() { _ = server.Close() })
	<-end
	l.end()
	l.checkLists()
	messages := 0
	for _, of := range l.messages {
		messages += len(of)
	}
	_, _ = fmt.Fprintf(os.Stdout, "stored: %s %d %d\n", l.token, len(l.messages), messages) // the driver reads the pod's log
}
