package enginetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
)

// S3Server is an S3 storage of a test's own.
type S3Server struct {
	*Process
	URL           string // http://host:port
	Bucket        string // there is one
	KeyID, Secret string // who may do everything
}

// S3 starts versitygw on an empty folder. Flags follow its own, before its backend: S3(t, "--readonly").
func S3(t TB, flags ...string) *S3Server {
	t.Helper()
	needEngines(t)
	s, url, secret, err := s3Server(flags)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &S3Server{Process: own(t, s), URL: url, Bucket: s3Bucket, KeyID: s3KeyID, Secret: secret}
}

const s3Bucket, s3KeyID = "backups", "tester"

func s3Server(flags []string) (s *server, url, secret string, err error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, "", "", err
	}
	command, err := program("CHAT_TEST_VERSITYGW", filepath.Join(cache, "versitygw", "versitygw"))
	if err != nil {
		return nil, "", "", err
	}
	dir, err := newDir("s3")
	if err != nil {
		return nil, "", "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", "", err
	}
	data, attributes := filepath.Join(dir, "data"), filepath.Join(dir, "attributes")
	for _, d := range []string{filepath.Join(data, s3Bucket), attributes} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, "", "", err
		}
	}
	addr, secret := fmt.Sprintf("127.0.0.1:%d", port), rand.Text()
	command = append(append(command, "--port", addr, "--health", "/healthy", "--quiet"), flags...)
	return &server{
		name: "versitygw", command: append(command, "posix", "--sidecar", attributes, data), dir: dir,
		env:   []string{"ROOT_ACCESS_KEY=" + s3KeyID, "ROOT_SECRET_KEY=" + secret},
		ready: func(ctx context.Context) error { return pingHTTP(ctx, "http://"+addr+"/healthy") },
	}, "http://" + addr, secret, nil
}
