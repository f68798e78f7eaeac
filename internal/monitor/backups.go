package monitor

import (
	"context"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"chat-system/internal/backup"
)

const (
	backupsAge     = 30 * time.Second // a storage may ask money for each look
	backupsTimeout = 10 * time.Second
)

// backups is what the storage holds, looked at now and then.
type backups struct {
	mu   sync.Mutex // held while looking
	at   time.Time
	list []backup.Manifest
	err  error
}

type backupsPage struct {
	Location string
	Backups  []backup.Manifest
	Fault    string
	At       time.Time
}

func (m *Monitor) listBackups(v *visit) error {
	b := &m.backups
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.at) > backupsAge {
		ctx, cancel := context.WithTimeout(v, backupsTimeout)
		b.list, b.err = backup.List(ctx, m.Backups)
		cancel()
		b.at = time.Now()
		if b.err != nil {
			m.Log.Warn("the monitoring page can't list backups", "error", b.err)
		}
	}
	p := backupsPage{Location: m.Backups.Location(), Backups: b.list, At: b.at.UTC()}
	if b.err != nil {
		p.Fault = "The storage can't be read now: " + string(backup.ReasonOf(b.err)) + "."
	}
	return m.page(v, fasthttp.StatusOK, "backups", "Backups", p)
}
