package enginetest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"chat-system/internal/enginetest"
)

func TestPrometheusScrapes(t *testing.T) {
	t.Parallel()
	target := enginetest.FreeAddr(t)
	p := enginetest.Prometheus(t, fmt.Sprintf("{global: {scrape_interval: 100ms, scrape_timeout: 100ms}, scrape_configs: [{job_name: nobody, static_configs: [{targets: [%q]}]}]}", target))
	p.Kill()
	p.Start()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		found, _, _, err := p.Query(t.Context(), "up == 0", time.Now())
		if v, ok := found.(model.Vector); err == nil && ok && len(v) == 1 && string(v[0].Metric["instance"]) == target {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody is not seen to be down: %v %v", found, err)
		}
	}
}
