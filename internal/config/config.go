// Package config is every variable that the programs read from their environment, in one table: its default, what it
// means and what it may be. Faults are reported all at once, each with the variable's name.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Config is what the environment says.
type Config struct {
	ListenAddr, MetricsAddr string
	DataDir                 string

	DatabaseHost, DatabaseUsername, DatabasePassword, DatabaseName, DatabaseTLS, DatabaseURL string

	RedisURL          string   // with the user and password that came apart
	ElasticsearchURLs []string // likewise; empty: search is off

	redisUsername, redisPassword, elasticsearchUsername, elasticsearchPassword string

	ChatThreshold, MessageThreshold int
	FlushMaxWait, FlushedRetention  time.Duration
	QueueMaxEntries                 int64
	SearchBacklogMax                int64
	WriteQuorum                     int

	RateLimit      int // requests a minute and client; 0: off
	TrustedProxies []netip.Prefix
	AdminToken     string
	DrainDelay     time.Duration

	Partitions     int
	Shards         int
	LeaderElection string
	LeaseName      string
	LeasePeers     string
	PodName        string
	PodNamespace   string

	Release       string // of the chart, that the backup controller looks after
	BackupRecords string
	JobTemplate   string

	ServiceURL string // of the service that smoke-test tries

	BackupsURL string // of the backup controller; empty: it is not asked

	BackupStorage                           string // a folder, or s3://bucket/prefix
	KeepLast, KeepHourly, KeepDaily         int    // verified backups
	KeepWeekly                              int
	BackupMethod                            string
	BackupVerify                            bool
	BackupTimeout                           time.Duration
	BackupReport                            string // a file; empty: none
	RedisServer, RedisCLI                   string // programs; empty: those on PATH
	S3Endpoint, S3Region, S3KeyID, S3Secret string
	S3SessionToken                          string

	LogLevel  slog.Level
	LogFormat string // json, text, or empty: text on a terminal
	Debug     bool

	Collector        string // of traces; empty: none
	CollectorHeaders map[string]string
	Sampler          string // of traces, as OTEL_TRACES_SAMPLER names it
	SamplerRatio     float64
}

// byName parts an environment, «NAME=value» each.
func byName(environ []string) map[string]string {
	env := map[string]string{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	return env
}

// Load reads the variables of a command from an environment, «NAME=value» each. The warnings are sentences.
func Load(command string, environ []string) (c Config, warnings []string, err error) {
	env := byName(environ)
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
	if len(faults) == 0 {
		faults = append(c.addCredentials(), c.election()...)
		if (c.S3KeyID == "") != (c.S3Secret == "") {
			faults = append(faults, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set both or neither"))
		}
	}
	if command == "backup-controller" && (c.LeaseName == "" || c.PodNamespace == "") {
		faults = append(faults, errors.New("LEASE_NAME and POD_NAMESPACE must be set"))
	}
	for name := range env {
		if strings.HasPrefix(name, "CHAT_") && !strings.HasPrefix(name, "CHAT_TEST_") && !known(name) {
			warnings = append(warnings, name+" is no variable of chat-system and is ignored")
		}
	}
	slices.Sort(warnings)
	return c, warnings, errors.Join(faults...)
}

// addCredentials puts users and passwords that came apart into the addresses.
func (c *Config) addCredentials() (faults []error) {
	add := func(name, address, user, password string) string {
		if user == "" && password == "" {
			return address
		}
		u, err := url.Parse(address)
		if err != nil || u.User != nil {
			faults = append(faults, fmt.Errorf("%s_PASSWORD and %s_USERNAME must not be set where %s_URL has its own", name, name, name))
			return address
		}
		u.User = url.UserPassword(user, password)
		return u.String()
	}
	if c.RedisURL != "" {
		c.RedisURL = add("REDIS", c.RedisURL, c.redisUsername, c.redisPassword)
	}
	for i, address := range c.ElasticsearchURLs {
		c.ElasticsearchURLs[i] = add("ELASTICSEARCH", address, c.elasticsearchUsername, c.elasticsearchPassword)
	}
	return faults
}

// election says what an election needs and lacks.
func (c *Config) election() (faults []error) {
	if c.LeaderElection != "kubernetes" {
		return nil
	}
	for _, v := range []struct{ name, value string }{
		{"LEASE_NAME", c.LeaseName}, {"LEASE_PEERS", c.LeasePeers}, {"POD_NAME", c.PodName}, {"POD_NAMESPACE", c.PodNamespace},
	} {
		if v.value == "" {
			faults = append(faults, fmt.Errorf("%s must be set where LEADER_ELECTION is kubernetes", v.name))
		}
	}
	return faults
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
