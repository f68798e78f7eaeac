package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
)

// Variable is one row of the table.
type Variable struct {
	Name    string
	Default string
	Local   string // the default of local mode, where it is another
	Doc     string
	Secret  bool // may come as NAME_FILE, and is never shown
	set     func(*Config, string) error
	in      []string // commands; none: all
}

// For says whether a command reads the variable.
func (v *Variable) For(command string) bool { return len(v.in) == 0 || slices.Contains(v.in, command) }

// DefaultOf a command.
func (v *Variable) DefaultOf(command string) string {
	if command == "local" && v.Local != "" {
		return v.Local
	}
	return v.Default
}

var (
	servers   = []string{"local", "api", "flusher"}
	reachable = []string{"local", "api"}
	database  = []string{"api", "flusher", "migrate", "dead-letters", "reindex", "restore"}
	redisOf   = []string{"api", "flusher", "backup", "restore"}
	backups   = []string{"backup"}
	loading   = []string{"backup", "restore"}
	searching = []string{"api", "flusher", "dead-letters", "reindex", "restore"}
	flushing  = []string{"local", "flusher"}
)

// Variables is the table, in the order in which help shows it.
var Variables = []Variable{
	{Name: "LISTEN_ADDR", Default: ":3000", Local: "127.0.0.1:3000", in: reachable, Doc: "address of the public HTTP port",
		set: text(func(c *Config) *string { return &c.ListenAddr }, address)},
	{Name: "METRICS_ADDR", Default: ":9464", Local: "127.0.0.1:9464", in: append(slices.Clone(servers), "healthcheck", "backup-controller"), Doc: "address of /metrics, /healthz and /readyz",
		set: text(func(c *Config) *string { return &c.MetricsAddr }, address)},
	{Name: "DATA_DIR", Default: "./chat-data", in: []string{"local"}, Doc: "folder of local mode's files",
		set: text(func(c *Config) *string { return &c.DataDir }, filled)},
	{Name: "DATABASE_HOST", Default: "db", in: database, Doc: "MySQL's host, with :port where it is not 3306",
		set: text(func(c *Config) *string { return &c.DatabaseHost }, filled)},
	{Name: "DATABASE_USERNAME", Default: "root", in: database, Doc: "MySQL's user",
		set: text(func(c *Config) *string { return &c.DatabaseUsername }, filled)},
	{Name: "DATABASE_PASSWORD", Secret: true, in: database, Doc: "MySQL's password",
		set: text(func(c *Config) *string { return &c.DatabasePassword }, nil)},
	{Name: "DATABASE_NAME", Default: "chat_system", in: database, Doc: "the database",
		set: text(func(c *Config) *string { return &c.DatabaseName }, filled)},
	{Name: "DATABASE_TLS", Default: "false", in: database, Doc: "true, preferred, skip-verify (encrypted, whoever answers) or false",
		set: text(func(c *Config) *string { return &c.DatabaseTLS }, one("false", "true", "preferred", "skip-verify"))},
	{Name: "DATABASE_URL", Secret: true, in: database, Doc: "the whole address, user:password@tcp(host:port)/name; wins over the five above",
		set: text(func(c *Config) *string { return &c.DatabaseURL }, databaseURL)},
	{Name: "REDIS_URL", Default: "redis://redis:6379/0", Secret: true, in: redisOf,
		Doc: "redis:// or rediss://; with ?master_name= a Sentinel's master, with ?addr= (once or more) a Cluster",
		set: text(func(c *Config) *string { return &c.RedisURL }, redisURL)},
	{Name: "REDIS_USERNAME", in: redisOf, Doc: "Redis' user, where REDIS_URL has none",
		set: text(func(c *Config) *string { return &c.redisUsername }, nil)},
	{Name: "REDIS_PASSWORD", Secret: true, in: redisOf, Doc: "Redis' password, where REDIS_URL has none",
		set: text(func(c *Config) *string { return &c.redisPassword }, nil)},
	{Name: "ELASTICSEARCH_URL", Default: "http://elasticsearch:9200", Secret: true, in: searching, Doc: "nodes, comma separated; empty switches search off",
		set: nodes},
	{Name: "ELASTICSEARCH_USERNAME", in: searching, Doc: "Elasticsearch's user, where ELASTICSEARCH_URL has none",
		set: text(func(c *Config) *string { return &c.elasticsearchUsername }, nil)},
	{Name: "ELASTICSEARCH_PASSWORD", Secret: true, in: searching, Doc: "Elasticsearch's password, where ELASTICSEARCH_URL has none",
		set: text(func(c *Config) *string { return &c.elasticsearchPassword }, nil)},
	{Name: "CHAT_QUEUE_THRESHOLD", Default: "1000", in: flushing, Doc: "flush a partition when so many chats wait,",
		set: whole(func(c *Config) *int { return &c.ChatThreshold }, 1, 1_000_000)},
	{Name: "MESSAGE_QUEUE_THRESHOLD", Default: "1000", in: flushing, Doc: "or so many messages,",
		set: whole(func(c *Config) *int { return &c.MessageThreshold }, 1, 1_000_000)},
	{Name: "FLUSH_MAX_WAIT", Default: "100ms", Local: "0s", in: flushing, Doc: "or when one has waited so long",
		set: duration(func(c *Config) *time.Duration { return &c.FlushMaxWait })},
	{Name: "QUEUE_MAX_ENTRIES", Default: "5000000", in: servers, Doc: "entries that the queue may hold; above it writes get 503",
		set: whole(func(c *Config) *int64 { return &c.QueueMaxEntries }, 1, 1<<40)},
	{Name: "SEARCH_BACKLOG_MAX", Default: "1000000", in: flushing, Doc: "entries kept for search while Elasticsearch is away; above it search is filled from MySQL",
		set: whole(func(c *Config) *int64 { return &c.SearchBacklogMax }, 1, 1<<40)},
	{Name: "FLUSHED_RETENTION", Default: "60s", Local: "0s", in: flushing, Doc: "how long what was flushed stays in Redis",
		set: duration(func(c *Config) *time.Duration { return &c.FlushedRetention })},
	{Name: "WRITE_QUORUM", Default: "0", in: []string{"api"}, Doc: "replicas of Redis that must have a write before it is acknowledged",
		set: whole(func(c *Config) *int { return &c.WriteQuorum }, 0, 100)},
	{Name: "RATE_LIMIT_PER_MINUTE", Default: "100", Local: "0", in: reachable, Doc: "requests a minute and client; 0 switches it off",
		set: whole(func(c *Config) *int { return &c.RateLimit }, 0, 1_000_000_000)},
	{Name: "TRUSTED_PROXIES", in: reachable, Doc: "addresses or networks whose X-Forwarded-For is believed, comma separated",
		set: proxies},
	{Name: "DRAIN_DELAY", Default: "0s", in: reachable, Doc: "how long after SIGTERM requests are still served, for load balancers to look elsewhere",
		set: duration(func(c *Config) *time.Duration { return &c.DrainDelay })},
	{Name: "ADMIN_TOKEN", Secret: true, in: append(slices.Clone(reachable), "smoke-test"), Doc: "bearer token that creating and listing applications then needs",
		set: text(func(c *Config) *string { return &c.AdminToken }, nil)},
	{Name: "PARTITIONS", Default: "16", Local: "1", in: []string{"local", "api", "flusher", "migrate", "dead-letters", "reindex", "restore"}, Doc: "partitions; fixed when the database is created",
		set: whole(func(c *Config) *int { return &c.Partitions }, 1, 1024)},
	{Name: "FLUSHER_SHARDS", Default: "1", in: []string{"flusher"}, Doc: "into how many shards the partitions are dealt",
		set: whole(func(c *Config) *int { return &c.Shards }, 1, 1024)},
	{Name: "LEADER_ELECTION", Default: "none", in: []string{"flusher"}, Doc: "none: this process leads every shard; kubernetes: those whose Leases it wins",
		set: text(func(c *Config) *string { return &c.LeaderElection }, one("none", "kubernetes"))},
	{Name: "LEASE_NAME", in: []string{"flusher", "backup-controller"}, Doc: "the shards' Leases are LEASE_NAME-0, LEASE_NAME-1 and so on, the backup controller's is LEASE_NAME; they must exist",
		set: text(func(c *Config) *string { return &c.LeaseName }, nil)},
	{Name: "LEASE_PEERS", in: []string{"flusher"}, Doc: "label selector of the pods among which the shards are dealt",
		set: text(func(c *Config) *string { return &c.LeasePeers }, nil)},
	{Name: "POD_NAME", in: []string{"flusher"}, Doc: "this pod's name, by which it holds Leases",
		set: text(func(c *Config) *string { return &c.PodName }, nil)},
	{Name: "POD_NAMESPACE", in: []string{"flusher", "backup-controller"}, Doc: "its namespace, and that of the Leases",
		set: text(func(c *Config) *string { return &c.PodNamespace }, nil)},
	{Name: "RELEASE", in: []string{"backup-controller"}, Doc: "the value of the label app.kubernetes.io/instance of what the backup controller looks after",
		set: text(func(c *Config) *string { return &c.Release }, filled)},
	{Name: "BACKUP_RECORDS", in: []string{"backup-controller"}, Doc: "the ConfigMap in which it keeps record of the backups; it must exist",
		set: text(func(c *Config) *string { return &c.BackupRecords }, filled)},
	{Name: "JOB_TEMPLATE", in: []string{"backup-controller"}, Doc: "the PodTemplate of what its Jobs have in common; its first container runs chat",
		set: text(func(c *Config) *string { return &c.JobTemplate }, filled)},
	{Name: "CHAT_URL", Default: "http://127.0.0.1:3000", in: []string{"smoke-test"}, Doc: "address of the service that is tried",
		set: text(func(c *Config) *string { return &c.ServiceURL }, web)},
	{Name: "BACKUPS_URL", in: []string{"api"}, Doc: "where the backup controller tells of backups, for the monitoring page (empty: it shows none)",
		set: text(func(c *Config) *string { return &c.BackupsURL }, web)},
	{Name: "BACKUP_STORAGE", in: loading, Doc: "where backups lie: a folder, or s3://bucket/prefix",
		set: text(func(c *Config) *string { return &c.BackupStorage }, storage)},
	{Name: "BACKUP_KEEP_LAST", Default: "3", in: backups, Doc: "prune keeps so many of the newest verified backups,",
		set: whole(func(c *Config) *int { return &c.KeepLast }, 0, 10_000)},
	{Name: "BACKUP_KEEP_HOURLY", Default: "24", in: backups, Doc: "the newest of each of so many hours that have one,",
		set: whole(func(c *Config) *int { return &c.KeepHourly }, 0, 10_000)},
	{Name: "BACKUP_KEEP_DAILY", Default: "7", in: backups, Doc: "of so many days,",
		set: whole(func(c *Config) *int { return &c.KeepDaily }, 0, 10_000)},
	{Name: "BACKUP_KEEP_WEEKLY", Default: "4", in: backups, Doc: "and of so many weeks, in UTC; and always the newest one",
		set: whole(func(c *Config) *int { return &c.KeepWeekly }, 0, 10_000)},
	{Name: "BACKUP_METHOD", Default: "auto", in: backups, Doc: "replication: as a replica, each master of one moment; dump: key by key; auto: the first that Redis allows",
		set: text(func(c *Config) *string { return &c.BackupMethod }, one("auto", "replication", "dump"))},
	{Name: "BACKUP_VERIFY", Default: "true", in: backups, Doc: "whether take loads what it took and checks it",
		set: truth(func(c *Config) *bool { return &c.BackupVerify })},
	{Name: "BACKUP_TIMEOUT", Default: "10m", in: loading, Doc: "how long a run may take",
		set: duration(func(c *Config) *time.Duration { return &c.BackupTimeout })},
	{Name: "BACKUP_REPORT", in: loading, Doc: "a file that gets the result of take, verify, prune or restore, JSON of at most 4096 bytes (empty: none)",
		set: text(func(c *Config) *string { return &c.BackupReport }, nil)},
	{Name: "REDIS_SERVER", in: loading, Doc: "the program redis-server, with which backups are loaded (empty: that on PATH)",
		set: text(func(c *Config) *string { return &c.RedisServer }, nil)},
	{Name: "REDIS_CLI", in: backups, Doc: "the program redis-cli, with which Redis is replicated (empty: that on PATH)",
		set: text(func(c *Config) *string { return &c.RedisCLI }, nil)},
	{Name: "S3_ENDPOINT", in: loading, Doc: "URL of the S3 storage, where it is not Amazon's",
		set: text(func(c *Config) *string { return &c.S3Endpoint }, web)},
	{Name: "AWS_ACCESS_KEY_ID", in: loading, Doc: "its user (empty: that of the pod's service account, or the machine)",
		set: text(func(c *Config) *string { return &c.S3KeyID }, nil)},
	{Name: "AWS_SECRET_ACCESS_KEY", Secret: true, in: loading, Doc: "its password",
		set: text(func(c *Config) *string { return &c.S3Secret }, nil)},
	{Name: "AWS_SESSION_TOKEN", Secret: true, in: loading, Doc: "the token that goes with a temporary key",
		set: text(func(c *Config) *string { return &c.S3SessionToken }, nil)},
	{Name: "AWS_REGION", in: loading, Doc: "its region (empty: the bucket is asked)",
		set: text(func(c *Config) *string { return &c.S3Region }, nil)},
	{Name: "LOG_LEVEL", Default: "info", Doc: "debug, info, warn or error", set: level},
	{Name: "LOG_FORMAT", Doc: "json or text (empty: text on a terminal, else json)",
		set: text(func(c *Config) *string { return &c.LogFormat }, one("", "json", "text"))},
	{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", in: servers, Doc: "collector that gets traces, OTLP over HTTP (empty: there are none); the library's other OTEL_… hold too",
		set: text(func(c *Config) *string { return &c.Collector }, collector)},
	{Name: "OTEL_EXPORTER_OTLP_HEADERS", Secret: true, in: servers, Doc: "header fields that it wants, name=value, comma separated, with %-codes",
		set: headers},
	{Name: "OTEL_TRACES_SAMPLER", Default: "parentbased_always_on", in: reachable, Doc: "which requests are traced: (parentbased_)always_on, always_off or traceidratio; parentbased_: as a traceparent says, where there is one",
		set: text(func(c *Config) *string { return &c.Sampler }, one("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"))},
	{Name: "OTEL_TRACES_SAMPLER_ARG", Default: "1", in: reachable, Doc: "of traceidratio, which part of them, from 0 to 1",
		set: ratio},
	{Name: "DEBUG", Default: "false", in: servers, Doc: "true: pprof on the metrics port",
		set: truth(func(c *Config) *bool { return &c.Debug })},
}

func text(field func(*Config) *string, rule func(string) error) func(*Config, string) error {
	return func(c *Config, s string) error {
		*field(c) = s
		if rule == nil {
			return nil
		}
		return rule(s)
	}
}

func web(s string) error {
	if u, err := url.Parse(s); s != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		return errors.New("must be a URL that begins with http:// or https://")
	}
	return nil
}

// collector is shown, so it may hold no password; the exporter would not send one either.
func collector(s string) error {
	if u, err := url.Parse(s); err == nil && (u.User != nil || u.RawQuery != "") {
		return errors.New("must hold no user and no query: use OTEL_EXPORTER_OTLP_HEADERS")
	}
	return web(s)
}

// headers are written as in the W3C's baggage. Their text is not shown: it is secret.
func headers(c *Config, s string) error {
	c.CollectorHeaders = map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil {
			return errors.New("must be name=value, comma separated, with %-codes for what is special")
		}
		c.CollectorHeaders[name] = value
	}
	return nil
}

func ratio(c *Config, s string) (err error) {
	if c.SamplerRatio, err = strconv.ParseFloat(s, 64); err != nil || !(c.SamplerRatio >= 0 && c.SamplerRatio <= 1) {
		return errors.New("must be a number from 0 to 1")
	}
	return nil
}

// storage is where backups lie. Its text is not shown: somebody may have put a password into it.
func storage(s string) error {
	place, isS3 := strings.CutPrefix(s, "s3://")
	bucket, _, _ := strings.Cut(place, "/")
	if s == "" || (isS3 && (bucket == "" || strings.ContainsAny(bucket, "@:?#"))) || (!isS3 && strings.Contains(s, "://")) {
		return errors.New("must be a folder or s3://bucket/prefix")
	}
	return nil
}

func truth(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, s string) (err error) {
		if *field(c), err = strconv.ParseBool(s); err != nil {
			return errors.New("must be true or false")
		}
		return nil
	}
}

func filled(s string) error {
	if s == "" {
		return errors.New("must not be empty")
	}
	return nil
}

func one(of ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(of, s) {
			return fmt.Errorf("must be one of %q", of)
		}
		return nil
	}
}

func address(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("must be host:port or :port, the port a number up to 65535")
	}
	return nil
}

// databaseURL and redisURL ask the clients' own parsers, whose errors are not shown: they may hold a password.
func databaseURL(s string) error {
	if s == "" {
		return nil
	}
	if dsn, err := mysql.ParseDSN(s); err != nil || dsn.DBName == "" {
		return errors.New("must be user:password@tcp(host:port)/name")
	}
	return nil
}

func redisURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || !slices.Contains([]string{"redis", "rediss", "unix"}, u.Scheme) {
		return errors.New("must be a redis:// or rediss:// address")
	}
	switch q := u.Query(); {
	case q.Has("master_name"):
		_, err = redis.ParseFailoverURL(s)
	case q.Has("addr"):
		_, err = redis.ParseClusterURL(s)
	default:
		_, err = redis.ParseURL(s)
	}
	if err != nil {
		return errors.New("must be redis://host:port/number, and its options such as go-redis knows")
	}
	return nil
}

func nodes(c *Config, s string) error {
	c.ElasticsearchURLs = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		u, err := url.Parse(part)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return errors.New("must be http:// or https:// addresses, comma separated")
		}
		c.ElasticsearchURLs = append(c.ElasticsearchURLs, part)
	}
	return nil
}

func proxies(c *Config, s string) error {
	c.TrustedProxies = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if a, err2 := netip.ParseAddr(part); err2 == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return errors.New("must be IP addresses or networks such as 10.0.0.0/8, comma separated")
		}
		c.TrustedProxies = append(c.TrustedProxies, p)
	}
	return nil
}

func whole[N int | int64](field func(*Config) *N, from, to int64) func(*Config, string) error {
	return func(c *Config, s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < from || n > to {
			return fmt.Errorf("must be a whole number from %d to %d", from, to)
		}
		*field(c) = N(n)
		return nil
	}
}

func duration(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > 24*time.Hour {
			return errors.New("must be a duration from 0s to 24h, such as 100ms")
		}
		*field(c) = d
		return nil
	}
}

func level(c *Config, s string) error {
	var l slog.Level
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return errors.New("must be debug, info, warn or error")
	}
	c.LogLevel = l
	return nil
}
