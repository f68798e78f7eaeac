package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"chat-system/internal/backup"
)

const (
	backupsAge     = 5 * time.Second // the controller is asked no more often, whoever looks
	backupsTimeout = 5 * time.Second
	backupsBytes   = 16 << 20 // of its answer
)

// backups is what the backup controller told last.
type backups struct {
	mu    sync.Mutex // held while asking
	asked time.Time
	at    time.Time // when it told
	list  []backup.Manifest
	err   error
}

type backupsPage struct {
	Backups []backup.Manifest
	Fault   string
	At      time.Time
}

func (m *Monitor) listBackups(v *visit) error {
	b := &m.backups
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.asked) > backupsAge {
		list, err := askForBackups(v, m.BackupsURL)
		if b.asked, b.err = time.Now(), err; err == nil {
			b.at, b.list = b.asked, list
		} else {
			m.Log.Warn("the monitoring page can't list backups", "error", err)
		}
	}
	p := backupsPage{Backups: b.list, At: b.at.UTC()}
	switch {
	case b.err != nil && b.at.IsZero():
		p.Fault = "The backup controller does not answer."
	case b.err != nil:
		p.Fault = "The backup controller does not answer; what is shown is old."
	}
	return m.page(v, fasthttp.StatusOK, "backups", "Backups", p)
}

func askForBackups(ctx context.Context, url string) (list []backup.Manifest, err error) {
	ctx, cancel := context.WithTimeout(ctx, backupsTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the backup controller answers with %s", answer.Status)
	}
	return list, json.NewDecoder(io.LimitReader(answer.Body, backupsBytes)).Decode(&list)
}
