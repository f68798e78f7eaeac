package enginetest_test

import (
	"net/http"
	"testing"

	"chat-system/internal/enginetest"
)

func TestS3AnswersAndRefusesStrangers(t *testing.T) {
	t.Parallel()
	s := enginetest.S3(t)
	s.Kill()
	s.Start()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/"+s.Bucket, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusForbidden || s.KeyID == "" || s.Secret == "" {
		t.Errorf("%s for a stranger", response.Status)
	}
}
