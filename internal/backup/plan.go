package backup

import (
	"fmt"
	"slices"
	"time"
)

// Policy is which verified backups are kept: the newest ones, and the newest one of each of the last hours, days and
// weeks that have one. Hours, days and weeks (from Monday) are UTC's.
type Policy struct{ Last, Hourly, Daily, Weekly int }

// Decision is what happens to a backup, and why.
type Decision struct {
	Name string
	Keep bool
	Why  string
}

const lookedAt = 24 * time.Hour // how long a backup is kept that is not verified, or failed

// Plan says for each backup whether it is kept, the newest first. The newest verified backup always is. What is not
// verified, failed, or is dated after now (a clock was wrong) does not count towards the policy's numbers.
func Plan(backups []Manifest, p Policy, now time.Time) []Decision {
	backups = slices.Clone(backups)
	slices.SortFunc(backups, newestFirst)
	rules := []*rule{
		{what: "last", length: 0, left: p.Last},
		{what: "hourly", length: time.Hour, left: p.Hourly},
		{what: "daily", length: 24 * time.Hour, left: p.Daily},
		{what: "weekly", length: 7 * 24 * time.Hour, left: p.Weekly},
	}
	decisions := make([]Decision, 0, len(backups))
	first := true
	for _, b := range backups {
		d := Decision{Name: b.Name, Why: "no rule keeps it"}
		recent := now.Sub(b.StartedAt) < lookedAt
		switch {
		case b.StartedAt.After(now):
			d.Keep, d.Why = true, "it is dated after now: a clock was wrong"
		case b.Error != "":
			d.Keep, d.Why = recent, "it failed, and is kept for a day to be looked at"
		case b.VerifiedAt == nil:
			d.Keep, d.Why = recent, "it is not verified, and is kept for a day"
		default:
			if first {
				d.Keep, d.Why, first = true, "it is the newest verified one", false
			}
			for _, r := range rules {
				if n := r.takes(b.StartedAt); n > 0 {
					if d.Keep {
						d.Why += fmt.Sprintf(", %s %d", r.what, n)
					} else {
						d.Keep, d.Why = true, fmt.Sprintf("%s %d", r.what, n)
					}
				}
			}
		}
		decisions = append(decisions, d)
	}
	return decisions
}

// rule keeps the newest of each of so many stretches of time, or of all where its length is 0.
type rule struct {
	what   string
	length time.Duration
	left   int
	taken  int
	of     time.Time // the stretch of the one that was taken last
}

// takes says whether the rule keeps a backup of that time, the next older one: as its first, second and so on; 0 for no.
func (r *rule) takes(at time.Time) int {
	stretch := at.UTC().Truncate(r.length) // a week of the zero time begins on a Monday
	if r.taken == r.left || (r.length > 0 && r.taken > 0 && stretch.Equal(r.of)) {
		return 0
	}
	r.taken++
	r.of = stretch
	return r.taken
}
