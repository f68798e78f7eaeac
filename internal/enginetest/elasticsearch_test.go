package enginetest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"chat-system/internal/enginetest"
)

func ask(t *testing.T, method, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, url, response.Status, text, err)
	}
	return string(text)
}

func TestElasticsearchKnowsTheAnalysisPartsThatTheMappingNeeds(t *testing.T) {
	t.Parallel()
	index := enginetest.SharedElasticsearch(t) + "/" + enginetest.UniqueName("parts")
	ask(t, "PUT", index, `{"settings": {"number_of_replicas": 0, "analysis": {
		"analyzer": {"folded": {"tokenizer": "parts", "filter": ["lowercase", "asciifolding"]}},
		"tokenizer": {"parts": {"type": "ngram", "min_gram": 3, "max_gram": 3}}}}}`)
	t.Cleanup(func() { remove(t, index) })
	tokens := ask(t, "POST", index+"/_analyze?filter_path=tokens.token", `{"analyzer": "folded", "text": "Écru"}`)
	if want := `{"tokens":[{"token":"ecr"},{"token":"cru"}]}`; tokens != want {
		t.Errorf("tokens %s, not %s", tokens, want)
	}
}

func TestElasticsearchKeepsItsDataOverAKillOnTheSamePort(t *testing.T) {
	t.Parallel()
	e := enginetest.Elasticsearch(t)
	ask(t, "PUT", e.URL+"/kept/_doc/1", `{"n": 7}`)
	e.Kill()
	e.Start()
	health := ask(t, "GET", e.URL+"/_cluster/health/kept?wait_for_status=yellow&timeout=30s", "")
	if !strings.Contains(health, `"timed_out":false`) {
		t.Fatal(health)
	}
	if got := ask(t, "GET", e.URL+"/kept/_source/1", ""); got != `{"n": 7}` {
		t.Errorf("after the restart the document is %s", got)
	}
}

// remove runs after the test's own context has ended.
func remove(t *testing.T, url string) {
	request, err := http.NewRequest(http.MethodDelete, url, nil)
	if err == nil {
		var response *http.Response
		if response, err = http.DefaultClient.Do(request); err == nil {
			err = response.Body.Close()
		}
	}
	if err != nil {
		t.Error(fmt.Errorf("removing the index: %w", err))
	}
}
