package monitor

import (
	"strings"
	"testing"

	"chat-system/db"
	"chat-system/docs/runbooks"
)

func TestAnOperatorIsToldWhySearchIsBehind(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		engine    string
		partition partition
		want      string
	}{
		{"ok", partition{Search: db.StateFollow}, "Elasticsearch is the limit"},
		{"ok", partition{Search: db.StateFollow, SearchTrouble: "the index takes no writes"}, "«the index takes no writes»"},
		{"ok", partition{Search: db.StateResync}, "is being filled from MySQL"},
		{"failed", partition{Search: db.StateFollow, SearchTrouble: "connection refused"}, "«connection refused»"},
	} {
		row.partition.SearchLag, row.partition.Lag = new(int64(61_000)), new(int64(0))
		s := &sample{
			At: 1_000_000, Engines: []engine{{Name: "Redis", Status: "ok"}, {Name: "MySQL", Status: "ok"}, {Name: "Elasticsearch", Status: row.engine}},
			Partitions: []partition{row.partition},
		}
		got := (&Config{}).findings(s, func(string) *int64 { return nil })
		if len(got) != 1 || !strings.Contains(got[0].Advice, row.want) {
			t.Errorf("%+v, want %s", got, row.want)
		}
	}
}

func TestAnOperatorIsToldWhyFlushesAreBehind(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		partition    partition
		want, detail string
	}{
		{partition{Stands: new(int64(20_000))}, "nothing was stored for 15 s: flushes hang", "It answers, and stores nothing."},
		{partition{Stands: new(int64(300))}, "More is accepted than MySQL takes", ""},
		{partition{}, "some seconds of looking tell which", ""},
		{partition{Stands: new(int64(20_000)), Trouble: "no room"}, "«no room»", "It answers, and stores nothing."},
		{partition{Stands: new(int64(300)), Trouble: "no room"}, "«no room»", "It answers, and flushes fail."},
	} {
		row.partition.State, row.partition.Lag = "behind", new(int64(15_000))
		s := &sample{
			At: 1_000_000, Engines: []engine{{Name: "Redis", Status: "ok"}, {Name: "MySQL", Status: "ok"}, {Name: "Elasticsearch", Status: "ok"}},
			Partitions: []partition{row.partition},
		}
		s.qualify()
		got := (&Config{}).findings(s, func(string) *int64 { return nil })
		if len(got) != 1 || !strings.Contains(got[0].Advice, row.want) || s.Engines[1].Detail != row.detail {
			t.Errorf("%+v, %q, want %s", got, s.Engines[1].Detail, row.want)
		}
	}
}

func TestAnEngineIsSlowThatWasForAWhile(t *testing.T) {
	t.Parallel()
	var p pace
	for i, row := range []struct {
		millis int64
		slow   bool
	}{{2, false}, {1000, false}, {2, false}, {2, false}, {900, false}, {900, true}, {2, true}, {2, true}, {2, true}, {2, true}, {2, false}} {
		if p = p.add(row.millis, int64(i+1)); p.since > 0 != row.slow {
			t.Errorf("after %d answers: %+v", i+1, p)
		}
	}
	s := &sample{Engines: []engine{{Name: "Redis", Status: "ok"}, {Name: "MySQL", Status: "ok", slow: true, Millis: 872}, {Name: "Elasticsearch", Status: "off"}}}
	s.qualify()
	got := (&Config{}).findings(s, func(string) *int64 { return new(int64(5)) })
	if len(got) != 1 || got[0].Text != "MySQL is slow." || *got[0].Since != 5 || s.Engines[1].Detail != "It is slow: it answers in 872 ms." {
		t.Errorf("%+v, %+v", got, s.Engines)
	}
}

func TestAnOperatorIsToldWhatRedisRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		refusals      [2]string
		text, runbook string
	}{
		{[2]string{"READONLY a replica", "READONLY a replica"}, "Nothing is accepted: Redis takes no writes.", "ChatWritesFailing"},
		{[2]string{"", "MISCONF disk"}, "1 of 2 partitions accept nothing: their Redis takes no writes.", "ChatWritesFailing"},
		{[2]string{"OOM command", "OOM command"}, "Nothing is accepted: Redis takes no writes.", "ChatRedisMemoryNearlyFull"},
	} {
		s := &sample{
			Engines:    []engine{{Name: "Redis", Status: "failed", memory: 95}, {Name: "MySQL", Status: "ok"}, {Name: "Elasticsearch", Status: "ok"}},
			Partitions: []partition{{Refusal: row.refusals[0]}, {Refusal: row.refusals[1]}}, Durability: []string{"Redis does not sync."},
		}
		got := (&Config{}).findings(s, func(string) *int64 { return nil })
		if len(got) != 2 || got[0].Text != row.text || got[0].Runbook != row.runbook || !strings.Contains(got[0].Advice, "«"+row.refusals[1]+"»") || got[1].Text != "Redis does not sync." {
			t.Errorf("%+v, want %s", got, row.text)
		}
	}
}

func TestWhatAnOperatorIsTold(t *testing.T) {
	t.Parallel()
	c := &Config{}
	const at = 1_000_000
	broken := func(name string) func(*sample) {
		return func(s *sample) {
			for i := range s.Engines {
				if s.Engines[i].Name == name {
					s.Engines[i].Status = "failed"
				}
			}
		}
	}
	behind := func(s *sample) { s.Partitions[1].State, s.Partitions[1].Lag = "behind", new(int64(60_000)) }
	leaderless := func(s *sample) { s.Partitions[1].Leaderless = true }
	for what, row := range map[string]struct {
		change []func(*sample)
		want   []string // status, and what the text begins with
		since  int64
	}{
		"all is well":                            {nil, nil, 0},
		"Redis is away":                          {[]func(*sample){broken("Redis")}, []string{"failed Nothing is accepted: Redis"}, 7},
		"MySQL is away":                          {[]func(*sample){broken("MySQL"), behind}, []string{"failed Nothing is stored: MySQL"}, 7},
		"nobody flushes what waits":              {[]func(*sample){behind, leaderless}, []string{"failed Not keeping up: nobody flushes 1 of 2 partitions."}, at - 60_000},
		"more is accepted than flushed":          {[]func(*sample){behind}, []string{"failed Not keeping up: 1 of 2 partitions behind, most of all 1."}, at - 60_000},
		"nobody flushes, nothing waits":          {[]func(*sample){leaderless}, []string{"warning Nobody flushes 1 of 2 partitions."}, 0},
		"a dead letter":                          {[]func(*sample){func(s *sample) { s.Letters["open"] = 1 }}, []string{"warning 1 accepted write could not be stored."}, 0},
		"search is away":                         {[]func(*sample){broken("Elasticsearch")}, []string{"warning Search does not answer."}, 7},
		"search is slow":                         {[]func(*sample){func(s *sample) { s.Partitions[0].SearchLag = new(int64(61_000)) }}, []string{"warning Search is behind."}, at - 61_000},
		"search waits for the flush":             {[]func(*sample){behind, func(s *sample) { s.Partitions[1].SearchLag = new(int64(61_000)) }}, []string{"failed Not keeping up"}, at - 60_000},
		"MySQL was away before somebody looked":  {[]func(*sample){broken("MySQL"), behind}, []string{"failed Nothing is stored: MySQL"}, at - 60_000},
		"search was away before somebody looked": {[]func(*sample){broken("Elasticsearch"), func(s *sample) { s.Partitions[0].SearchLag = new(int64(61_000)) }}, []string{"warning Search does not answer."}, at - 61_000},
		"a flush fails":                          {[]func(*sample){behind, func(s *sample) { s.Partitions[1].Trouble = "a lock" }}, []string{"failed Not keeping up: 1 of 2 partitions"}, at - 60_000},
		"Redis is nearly full":                   {[]func(*sample){func(s *sample) { s.Engines[0].Status, s.Engines[0].memory = "warning", 97 }}, []string{"failed Redis uses 97 % of its memory."}, 0},
		"what can't be known":                    {[]func(*sample){broken("Redis"), func(s *sample) { s.Durability = []string{"Redis could not be asked.", "MySQL does not sync."} }}, []string{"failed Nothing is accepted", "warning MySQL does"}, 7},
		"the queue is nearly full":               {[]func(*sample){func(s *sample) { s.Partitions[0].Crowded = true }}, []string{"warning The queue is nearly full: 1 of 2 partitions."}, 0},
		"Redis is crowded": {[]func(*sample){func(s *sample) { s.Engines[0].Status, s.Engines[0].memory = "warning", 76 }},
			[]string{"warning Redis uses 76 % of its memory."}, 0},
		"not all is synced": {[]func(*sample){func(s *sample) { s.Durability = []string{"Redis syncs once a second."} }}, []string{"warning Redis syncs once a second."}, 0},
		"nothing is synced": {[]func(*sample){func(s *sample) { s.Durability = []string{"MySQL does not sync.", "Redis does not sync."} }}, []string{"warning MySQL", "warning Redis"}, 0},
		"much at once": {[]func(*sample){func(s *sample) { s.Letters["open"] = 2 }, broken("Elasticsearch"), behind, broken("Redis")},
			[]string{"failed Nothing is accepted", "failed Not keeping up", "warning 2 accepted writes", "warning Search does not"}, 7},
	} {
		s := &sample{
			At: at, Engines: []engine{{Name: "Redis", Status: "ok"}, {Name: "MySQL", Status: "ok"}, {Name: "Elasticsearch", Status: "ok"}},
			Partitions: []partition{{Number: 0, State: "idle"}, {Number: 1, State: "flushing"}}, Letters: map[string]int{},
		}
		for _, change := range row.change {
			change(s)
		}
		seen := int64(7)
		if strings.HasSuffix(what, "before somebody looked") {
			seen = at - 10
		}
		got := c.findings(s, func(string) *int64 { return &seen })
		if len(got) != len(row.want) {
			t.Errorf("%s: %+v", what, got)
			continue
		}
		for i, f := range got {
			if _, there := runbooks.HTML(f.Runbook); !there {
				t.Errorf("%s: there is no runbook %q", what, f.Runbook)
			}
			if !strings.HasPrefix(f.Status+" "+f.Text, row.want[i]) || f.Advice == "" {
				t.Errorf("%s: %+v, want %s", what, f, row.want[i])
			}
		}
		if row.since != 0 && got[0].Since != nil && got[0].Seen != (*got[0].Since == seen) {
			t.Errorf("%s: seen %v", what, got[0].Seen)
		}
		if row.since != 0 && (got[0].Since == nil || *got[0].Since != row.since) {
			t.Errorf("%s: since %v, want %d", what, got[0].Since, row.since)
		}
	}
}
