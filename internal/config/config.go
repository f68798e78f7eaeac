// Package config is every variable that the programs read from their environment, in one table: its default, what it
// means and what it may be. Faults are reported all at once, each with the variable's name.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// Config is what the environment says.
type Config struct {
	ListenAddr, MetricsAddr string
	DataDir                 string

	DatabaseHost, DatabaseUsername, DatabasePassword, DatabaseName, DatabaseURL string

	RedisURL          string
	ElasticsearchURLs []string // empty: search is off

	ChatThreshold, MessageThreshold int
	FlushMaxWait, FlushedRetention  time.Duration
	QueueMaxEntries                 int64
	SearchBacklogMax                int64
	WriteQuorum                     int

	RateLimit      int // requests a minute and client; 0: off
	TrustedProxies []netip.Prefix
	AdminToken     string

	Partitions     int
	Shards         int
	LeaderElection string

	LogLevel  slog.Level
	LogFormat string // json, text, or empty: text on a terminal
	Debug     bool
	Collector string // of traces; empty: none
}

// Load reads the variables of a command from an environment, «NAME=value» each. The warnings are sentences.
func Load(command string, environ []string) (c Config, warnings []string, err error) {
	env := map[string]string{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	var faults []error
	for _, v := range Variables {
		if !v.For(command) {
			continue
		}
		value, err := v.value(command, env)
		if err == nil {
			err = v.set(&c, value)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s %w", v.Name, err))
		}
	}
	if len(faults) == 0 && c.Partitions > 0 && c.Shards > c.Partitions {
		faults = append(faults, errors.New("FLUSHER_SHARDS must not be above PARTITIONS"))
	}
	for name := range env {
		if strings.HasPrefix(name, "CHAT_") && !strings.HasPrefix(name, "CHAT_TEST_") && !known(name) {
			warnings = append(warnings, name+" is no variable of chat-system and is ignored")
		}
	}
	slices.Sort(warnings)
	return c, warnings, errors.Join(faults...)
}

// value is what the environment or a file that it names has, or the default.
func (v *Variable) value(command string, env map[string]string) (string, error) {
	value, set := env[v.Name]
	if file, ok := env[v.Name+"_FILE"]; v.Secret && ok && file != "" {
		if set {
			return "", fmt.Errorf("and %s_FILE must not be set both", v.Name)
		}
		text, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return "", fmt.Errorf("can't be read from %s_FILE: %w", v.Name, err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	if set {
		return value, nil
	}
	return v.DefaultOf(command), nil
}

func known(name string) bool {
	return slices.ContainsFunc(Variables, func(v Variable) bool {
		return v.Name == name || (v.Secret && v.Name+"_FILE" == name)
	})
}
