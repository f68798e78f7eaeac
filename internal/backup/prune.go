package backup

import (
	"context"
	"errors"
	"time"
)

// Prune deletes what the policy does not keep and, after a day, what killed runs left behind. It gives what it decided
// and those leftover files; with dryRun it deletes nothing.
func Prune(ctx context.Context, s Storage, p Policy, now time.Time, dryRun bool) (decisions []Decision, leftovers []File, err error) {
	backups, files, err := list(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	decisions = Plan(backups, p, now)
	known := map[string]bool{}
	for _, b := range backups {
		known[b.Name] = true
	}
	for _, f := range files {
		name := backupOf(f.Name)
		if (f.Unfinished || (name != "" && !known[name])) && now.Sub(f.Modified) > leftAfter {
			leftovers = append(leftovers, f)
		}
	}
	if dryRun {
		return decisions, leftovers, nil
	}
	for _, d := range decisions {
		if !d.Keep {
			err = errors.Join(err, Delete(ctx, s, d.Name))
		}
	}
	for _, file := range leftovers {
		err = errors.Join(err, s.Delete(ctx, file))
	}
	return decisions, leftovers, interrupted(ctx, err)
}
