package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
