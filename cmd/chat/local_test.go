package main

import (
	"testing"

	"chat-system/api/apitest"
)

// The whole contract, on local mode as a newcomer starts it.
func TestLocalModeKeepsTheContract(t *testing.T) {
	t.Parallel()
	environ := []string{"DATA_DIR=" + t.TempDir(), "LISTEN_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0"}
	apitest.Run(t, apitest.Target{URL: "http://" + start(t, environ, "local", "ready"), Search: true})
}
