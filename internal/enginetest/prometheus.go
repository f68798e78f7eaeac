package enginetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
)

// PrometheusServer is a Prometheus of a test's own.
type PrometheusServer struct {
	*Process
	prometheus.API
}

// Prometheus starts one with a configuration; what files that names are found by their whole paths.
func Prometheus(t TB, config string) *PrometheusServer {
	t.Helper()
	needEngines(t)
	s, url, err := prometheusServer(config)
	if err != nil {
		t.Fatalf("%v", err)
	}
	client, err := api.NewClient(api.Config{Address: url})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &PrometheusServer{Process: own(t, s), API: prometheus.NewAPI(client)}
}

// Promtool gives the command of Prometheus' tool, which checks and tests rules.
func Promtool(t TB) []string {
	t.Helper()
	needEngines(t)
	command, err := prometheusProgram("CHAT_TEST_PROMTOOL", "promtool")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return command
}

func prometheusProgram(variable, name string) ([]string, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	return program(variable, filepath.Join(cache, "prometheus", name))
}

func prometheusServer(config string) (*server, string, error) {
	command, err := prometheusProgram("CHAT_TEST_PROMETHEUS", "prometheus")
	if err != nil {
		return nil, "", err
	}
	dir, err := newDir("prometheus")
	if err != nil {
		return nil, "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, "", err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	return &server{
		name: "prometheus", dir: dir,
		command: append(command, "--config.file", file, "--web.listen-address", addr, "--storage.tsdb.path", filepath.Join(dir, "data"), "--log.level", "warn"),
		ready:   func(ctx context.Context) error { return pingHTTP(ctx, "http://"+addr+"/-/ready") },
	}, "http://" + addr, nil
}
