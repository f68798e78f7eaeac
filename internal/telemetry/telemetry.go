// Package telemetry makes the logger and the registry of metrics, and knows the program's version.
package telemetry

import (
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Version and Revision are stamped in by the linker; where not, Go says which commit it built.
var (
	Version  = "dev"
	Revision string
)

func init() { // not in the declaration: the linker sets nothing that is computed
	if Revision == "" {
		Revision = revision()
	}
}

func revision() string {
	found := "unknown"
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return found
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			found = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			found += ", modified"
		}
	}
	return found
}

// NewLogger writes to w: format json or text, or, where it is empty, text on a terminal and json elsewhere.
func NewLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" || (format == "" && terminal(w)) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// NewRegistry is a registry with what the runtime, the process and the build say of themselves.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), NewBuildInfo())
	return reg
}

// NewBuildInfo is the metric that tells which build this is.
func NewBuildInfo() prometheus.Collector {
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "chat_build_info", Help: "Always 1; the labels tell which build this is.",
	}, []string{"version", "revision"})
	build.WithLabelValues(Version, Revision).Set(1)
	return build
}
