package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestNothingSecretIsShown(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	environ := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://user:" + secret + "@collector:4318/v1?key=" + secret, "LOG_LEVEL=debug"}
	for _, v := range Variables {
		if v.Secret && v.Name != "DATABASE_PASSWORD" {
			environ = append(environ, v.Name+"="+secret)
		}
	}
	environ = append(environ, "DATABASE_PASSWORD_FILE=/run/"+secret, "DATABASE_USERNAME=x:"+secret+"@y")
	for _, command := range []string{"api", "local", "flusher", "backup"} {
		all := Show(command, environ)
		text := fmt.Sprint(all)
		if strings.Contains(text, secret) || !strings.Contains(text, "{LOG_LEVEL debug ") {
			t.Errorf("%s: %s", command, text)
		}
		for _, v := range Variables {
			if v.For(command) && !strings.Contains(text, "{"+v.Name+" ") {
				t.Errorf("%s lacks %s", command, v.Name)
			}
		}
	}
	text := fmt.Sprint(Show("api", environ))
	for _, want := range []string{"http://collector:4318/v1", "{ADMIN_TOKEN set, not shown ", "{DATABASE_PASSWORD set, not shown ", "{PARTITIONS 16 "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if text := fmt.Sprint(Show("api", nil)); !strings.Contains(text, "{ADMIN_TOKEN not set ") || !strings.Contains(text, "{REDIS_URL redis://redis:6379/0 ") {
		t.Error(text)
	}
}
