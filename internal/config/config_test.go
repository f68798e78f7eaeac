package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, warnings, err := Load("api", nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if c.ListenAddr != ":3000" || c.Partitions != 16 || c.RateLimit != 100 || c.QueueMaxEntries != 5_000_000 || len(c.ElasticsearchURLs) != 1 {
		t.Fatalf("%+v", c)
	}
	c, _, err = Load("local", nil)
	if err != nil || c.ListenAddr != "127.0.0.1:3000" || c.Partitions != 1 || c.RateLimit != 0 || c.FlushMaxWait != 0 || c.FlushedRetention != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestEveryFaultIsReportedWithItsVariable(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"LISTEN_ADDR": "3000", "METRICS_ADDR": ":x", "DATABASE_HOST": "", "REDIS_URL": "http://secret@x", "ELASTICSEARCH_URL": "es:9200",
		"QUEUE_MAX_ENTRIES": "0", "WRITE_QUORUM": "-1", "RATE_LIMIT_PER_MINUTE": "many", "TRUSTED_PROXIES": "10.0.0.0/33",
		"PARTITIONS": "1025", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "DEBUG": "perhaps",
	}
	var environ []string
	for k, v := range env {
		environ = append(environ, k+"="+v)
	}
	_, _, err := Load("api", environ)
	if err == nil {
		t.Fatal("no fault")
	}
	for name := range env {
		if !strings.Contains(err.Error(), name+" must ") {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a secret is shown: %v", err)
	}
	if _, _, err := Load("flusher", []string{"LEADER_ELECTION=raft", "CHAT_QUEUE_THRESHOLD=0", "FLUSH_MAX_WAIT=-1s", "FLUSHER_SHARDS=x"}); err == nil || strings.Count(err.Error(), "must") != 4 {
		t.Errorf("flusher: %v", err)
	}
	if _, _, err := Load("flusher", []string{"PARTITIONS=4", "FLUSHER_SHARDS=5"}); err == nil {
		t.Error("more shards than partitions")
	}
}

func TestBackupsAreConfigured(t *testing.T) {
	t.Parallel()
	c, _, err := Load("backup", []string{"BACKUP_STORAGE=s3://bucket/some/prefix", "REDIS_PASSWORD=x"})
	if err != nil || c.KeepLast != 3 || c.KeepHourly != 24 || c.KeepDaily != 7 || c.KeepWeekly != 4 || c.BackupMethod != "auto" || !c.BackupVerify ||
		c.BackupTimeout != 10*time.Minute || c.RedisURL != "redis://:x@redis:6379/0" {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, kv := range []string{
		"BACKUP_STORAGE=", "BACKUP_STORAGE=s3://", "BACKUP_STORAGE=s3://user:s3cret@bucket", "BACKUP_STORAGE=https://s3cret@x", "BACKUP_KEEP_LAST=-1",
		"BACKUP_KEEP_HOURLY=x", "BACKUP_KEEP_DAILY=", "BACKUP_KEEP_WEEKLY=1.5", "BACKUP_METHOD=snapshot", "BACKUP_VERIFY=perhaps", "BACKUP_TIMEOUT=25h",
		"S3_ENDPOINT=s3cret:9000", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=s3cret",
	} {
		name, _, _ := strings.Cut(kv, "=")
		_, _, err := Load("backup", []string{"BACKUP_STORAGE=/x", kv})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), " must ") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", kv, err)
		}
	}
}

func TestAddressesAreCheckedAtStartAndNeverShown(t *testing.T) {
	t.Parallel()
	for _, kv := range []string{
		"DATABASE_URL=root:s3cr@et@tcp(db", "DATABASE_URL=root:s3cret@tcp(db:3306)/", "DATABASE_URL=s3cret", "REDIS_URL=redis://u:s3cret@redis:port/0",
		"REDIS_URL=redis://u:s3cret@redis:6379/first", "REDIS_URL=redis://u/s3cret@redis:6379/0", "REDIS_URL=redis://u:s3cret@redis/0?colour=s3cret",
		"REDIS_URL=redis://u:s3cret@s/x?master_name=m", "REDIS_URL=redis://u:s3cret@c:1/0?addr=d:2&colour=red", "REDIS_URL=redis://u:s3cr%zz@redis/0",
		"ELASTICSEARCH_URL=http://u:s3cr%zz@es", "ELASTICSEARCH_URL=http://u:s3cret@es:port", "ELASTICSEARCH_URL=ftp://u:s3cret@es",
	} {
		name, _, _ := strings.Cut(kv, "=")
		_, _, err := Load("api", []string{kv})
		if err == nil || !strings.HasPrefix(err.Error(), name+" must be ") || strings.Contains(err.Error(), "s3cr") {
			t.Errorf("%s: %v", kv, err)
		}
	}
	for _, kv := range []string{
		"DATABASE_URL=", "DATABASE_URL=root:s3cr@et@tcp(db)/chat?tls=skip-verify", "REDIS_URL=rediss://:s3cret@redis:6379", "REDIS_URL=redis://s:26379/0?master_name=m&addr=t:26379",
		"REDIS_URL=redis://a:6379?addr=b:6379&addr=c:6379", "ELASTICSEARCH_URL=https://u:s3cret@es:9200, http://other:9200/", "ELASTICSEARCH_URL=",
	} {
		if _, _, err := Load("api", []string{kv}); err != nil {
			t.Errorf("%s: %v", kv, err)
		}
	}
}

func TestCredentialsMayComeApartFromAddresses(t *testing.T) {
	t.Parallel()
	c, _, err := Load("api", []string{
		"REDIS_URL=rediss://a:6379?addr=b:6379", "REDIS_PASSWORD=p@ss/1", "ELASTICSEARCH_URL=https://a:9200,https://b:9200",
		"ELASTICSEARCH_USERNAME=elastic", "ELASTICSEARCH_PASSWORD=x:y",
	})
	if err != nil || c.RedisURL != "rediss://:p%40ss%2F1@a:6379?addr=b:6379" || c.ElasticsearchURLs[1] != "https://elastic:x%3Ay@b:9200" {
		t.Fatal(c.RedisURL, c.ElasticsearchURLs, err)
	}
	if _, _, err := Load("api", []string{"REDIS_URL=redis://:s3cret@a", "REDIS_PASSWORD=s3cret"}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}

func TestAnElectionNeedsItsNames(t *testing.T) {
	t.Parallel()
	_, _, err := Load("flusher", []string{"LEADER_ELECTION=kubernetes", "LEASE_PEERS=app=chat"})
	if err == nil || strings.Count(err.Error(), "must be set where LEADER_ELECTION is kubernetes") != 3 {
		t.Error(err)
	}
	_, _, err = Load("flusher", []string{"LEADER_ELECTION=kubernetes", "LEASE_NAME=x", "LEASE_PEERS=app=chat", "POD_NAME=a", "POD_NAMESPACE=b"})
	if err != nil {
		t.Error(err)
	}
}

func TestTheBackupControllerNeedsItsPlace(t *testing.T) {
	t.Parallel()
	_, _, err := Load("backup-controller", nil)
	if err == nil || strings.Count(err.Error(), "must not be empty") != 3 {
		t.Error(err)
	}
	set := []string{"RELEASE=chat", "BACKUP_RECORDS=chat-backups", "JOB_TEMPLATE=chat-backup"}
	if _, _, err = Load("backup-controller", set); err == nil || !strings.Contains(err.Error(), "LEASE_NAME and POD_NAMESPACE must be set") {
		t.Error(err)
	}
	c, _, err := Load("backup-controller", append(set, "LEASE_NAME=chat-backup-controller", "POD_NAMESPACE=shop"))
	if err != nil || c.Release != "chat" || c.MetricsAddr != ":9464" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestSecretsMayComeFromFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := Load("api", []string{"DATABASE_PASSWORD_FILE=" + file})
	if err != nil || len(warnings) > 0 || c.DatabasePassword != "s3cret" {
		t.Fatalf("%q %v %v", c.DatabasePassword, warnings, err)
	}
	if _, _, err := Load("api", []string{"ADMIN_TOKEN_FILE=" + file + ".not"}); err == nil || !strings.Contains(err.Error(), "ADMIN_TOKEN") {
		t.Errorf("missing file: %v", err)
	}
	if _, _, err := Load("api", []string{"ADMIN_TOKEN=a", "ADMIN_TOKEN_FILE=" + file}); err == nil {
		t.Error("both were taken")
	}
}

func TestUnknownVariablesAreWarnedAbout(t *testing.T) {
	t.Parallel()
	_, warnings, err := Load("api", []string{"CHAT_QUEUE_TRESHOLD=5", "CHAT_QUEUE_THRESHOLD=5", "CHAT_TEST_X=1", "PATH=/"})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "CHAT_QUEUE_TRESHOLD") {
		t.Fatal(warnings, err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("REDIS_URL", "redis://h/0")
	f.Add("TRUSTED_PROXIES", "::1, 10.0.0.0/8")
	f.Fuzz(func(_ *testing.T, name, value string) {
		_, _, _ = Load("api", []string{name + "=" + value})
		_, _, _ = Load("local", []string{name + "=" + value})
	})
}

func TestWhatLeadsToTheCollector(t *testing.T) {
	t.Parallel()
	c, _, err := Load("api", []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://collector:4318", "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20a=b, x = y ,",
		"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25",
	})
	if err != nil || len(c.CollectorHeaders) != 2 || c.CollectorHeaders["Authorization"] != "Bearer a=b" || c.CollectorHeaders["x"] != "y" ||
		c.Sampler != "traceidratio" || c.SamplerRatio != 0.25 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, wrong := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://user:s3cret@collector", "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector?key=s3cret", "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317",
		"OTEL_EXPORTER_OTLP_HEADERS=s3cret", "OTEL_EXPORTER_OTLP_HEADERS==s3cret", "OTEL_EXPORTER_OTLP_HEADERS=a=s3cret%zz",
		"OTEL_TRACES_SAMPLER=s3cret", "OTEL_TRACES_SAMPLER_ARG=2", "OTEL_TRACES_SAMPLER_ARG=-1", "OTEL_TRACES_SAMPLER_ARG=NaN",
	} {
		name, _, _ := strings.Cut(wrong, "=")
		if _, _, err := Load("api", []string{wrong}); err == nil || !strings.HasPrefix(err.Error(), name+" must ") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
