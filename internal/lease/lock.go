package lease

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lock is a shard's Lease. It is taken only when the share allows it, and never made: the chart does that, so that the
// service account needs no right to make any.
type lock struct {
	resourcelock.Interface
	election *Election
	term     *term
	name     string
	holder   string // as it was read last
}

// errShare says that the pod leads as many shards as fall to it.
var errShare = errors.New("the shard falls to another pod")

func (l *lock) update() string { return "update the Lease " + l.name }

// Get implements resourcelock.Interface.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	l.election.health.note("get the Lease "+l.name, err)
	if apierrors.IsNotFound(err) {
		err = errNoLease // for this one client-go would call Create
	}
	if err == nil {
		if record.HolderIdentity != l.holder && record.HolderIdentity != "" {
			l.election.health.note(l.update(), nil) // somebody has it: that this pod could not write it is over
		}
		l.holder = record.HolderIdentity
	}
	return record, raw, err
}

// Update implements resourcelock.Interface. It is not cut short when the election ends: whether the Lease is held would not
// be known then. The client has a time-out of its own.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	ctx = context.WithoutCancel(ctx)
	if record.HolderIdentity == "" {
		return l.Interface.Update(ctx, record) // given back
	}
	// A holder that let it expire is replaced whoever's share it is; what is too much then is given back to who has less.
	needed := l.holder != ""
	if !l.election.share.take(l.term, needed) {
		l.election.health.note(l.update(), nil)
		return errShare
	}
	err := l.Interface.Update(ctx, record)
	if apierrors.IsConflict(err) {
		l.election.health.note(l.update(), nil) // another pod was quicker
	} else {
		l.election.health.note(l.update(), err)
	}
	l.election.share.written(l.term, err)
	return err
}
