package enginetest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// ElasticsearchServer is an Elasticsearch of a test's own.
type ElasticsearchServer struct {
	*Process
	URL string // http://host:port
}

// Elasticsearch starts one without any index. It takes 10 to 20 seconds and 900 MB: most tests want SharedElasticsearch.
// Flags follow its own: Elasticsearch(t, "-Ehttp.max_content_length=1mb").
func Elasticsearch(t TB, flags ...string) *ElasticsearchServer {
	t.Helper()
	needEngines(t)
	s, url, err := elasticsearchServer(flags)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &ElasticsearchServer{Process: own(t, s), URL: url}
}

var sharedElasticsearch = sync.OnceValues(func() (string, error) {
	if url := os.Getenv("CHAT_TEST_ELASTICSEARCH_URL"); url != "" {
		return url, nil
	}
	s, url, err := elasticsearchServer(nil)
	if err != nil {
		return "", err
	}
	return url, s.start()
})

// SharedElasticsearch gives the URL of the server that all tests share: those of this binary or, under `make test`, of all.
// A test calls its indices and aliases by a UniqueName and removes them.
func SharedElasticsearch(t TB) string {
	t.Helper()
	needEngines(t)
	url, err := sharedElasticsearch()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return url
}

const (
	elasticsearchUser = 65534 // nobody: it refuses to run as root

	elasticsearchConfig = `cluster.name: chat-test
node.name: one
discovery.type: single-node
network.host: 127.0.0.1
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
`
	// A short life wants a quick start, not the best code.
	jvmOptions = `-Xms512m
-Xmx512m
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-XX:+ExitOnOutOfMemoryError
-Djava.io.tmpdir=${ES_TMPDIR}
`
	log4jProperties = `appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
`
)

func elasticsearchServer(flags []string) (*server, string, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, "", err
	}
	home := filepath.Join(cache, "elasticsearch")
	java, err := os.ReadFile(filepath.Join(home, "java-home"))
	if err != nil {
		return nil, "", fmt.Errorf("elasticsearch is not installed: run `make engines`, or the tests with -short (%w)", err)
	}
	dir, err := newDir("elasticsearch")
	if err != nil {
		return nil, "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	transport, err := freePort()
	if err != nil {
		return nil, "", err
	}
	settings := elasticsearchConfig + fmt.Sprintf("http.port: %d\ntransport.port: %d\npath.data: %s/data\npath.logs: %s\n", port, transport, dir, dir)
	config, tmp := filepath.Join(dir, "config"), filepath.Join(dir, "tmp") // it empties tmp when it ends
	for _, d := range []string{config, tmp} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, "", err
		}
	}
	for name, text := range map[string]string{
		"elasticsearch.yml": settings, "jvm.options": jvmOptions, "log4j2.properties": log4jProperties,
	} {
		if err := os.WriteFile(filepath.Join(config, name), []byte(text), 0o644); err != nil {
			return nil, "", err
		}
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	s := &server{
		name: "elasticsearch", command: append([]string{filepath.Join(home, "bin", "elasticsearch")}, flags...), dir: dir,
		env: []string{"HOME=" + dir, "ES_TMPDIR=" + tmp, "ES_PATH_CONF=" + config, "ES_JAVA_HOME=" + strings.TrimSpace(string(java))},
		ready: func(ctx context.Context) error {
			return pingHTTP(ctx, url+"/_cluster/health?wait_for_status=yellow&timeout=1s")
		},
	}
	if os.Getuid() == 0 {
		s.uid = elasticsearchUser
		err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Chown(path, elasticsearchUser, elasticsearchUser)
		})
	}
	return s, url, err
}
