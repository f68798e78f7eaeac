package controller

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"chat-system/backup-controller/v1alpha1"
)

var errFault = errors.New("a fault of the API server")

// faulty lets calls of the controller fail: one write, before it has an effect or with its answer lost, or one in so many reads. A
// process that is killed between two writes leaves what the former leaves; a read that fails leaves nothing.
type faulty struct {
	writes, fail int
	applied      int
	lost         bool

	reads, failEach int
	world           *world
}

func (f *faulty) write(do func() error) error {
	f.writes++
	if f.writes != f.fail {
		return do()
	}
	if f.lost {
		if err := do(); err != nil {
			return err
		}
	}
	return errFault
}

func (f *faulty) read(do func() error) error {
	f.reads++
	if f.failEach > 0 && f.world.passes < 3 && f.reads%f.failEach == 0 {
		return errFault
	}
	return do()
}

func (f *faulty) client(c client.WithWatch) client.Client {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			return f.read(func() error { return c.Get(ctx, key, o, opts...) })
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			return f.read(func() error { return c.List(ctx, l, opts...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return f.write(func() error { return c.Create(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return f.write(func() error { return c.Delete(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return f.write(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if f.applied++; f.applied > 4 { // from then on the CronJobs are as they were
				return c.Apply(ctx, o, opts...)
			}
			return f.write(func() error { return c.Apply(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return f.write(func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
}

// life is all that the controller does, once: a schedule whose backups succeed, fail and are pruned, a backup by hand, a restore of it,
// and its removal.
func life(w *world) {
	w.t.Helper()
	w.schedule("s", func(s *v1alpha1.RedisBackupScheduleSpec) {
		s.Volume = &v1alpha1.Volume{Size: resource.MustParse("1Gi")}
	})
	w.backup("b", nil)
	w.restore("r", "b")
	w.settle()
	w.end("b", batchv1.JobComplete, noon, taken)
	w.fire("s", "0700")
	w.settle()
	w.end("s-0700", batchv1.JobComplete, noon.Add(-5*time.Hour), taken)
	w.end("r-restore", batchv1.JobComplete, noon, restored)
	w.fire("s", "0800")
	w.settle()
	w.end("s-0800", batchv1.JobFailed, noon.Add(-4*time.Hour), `{"error":"no","reason":"Auth"}`)
	w.settle()
	w.fire("s-prune", "0900")
	w.end("s-prune-0900", batchv1.JobComplete, noon, `{"kept":[]}`)
	w.settle()
	w.remove(w.theBackup("b"))
	w.settle()
	w.end("b-delete", batchv1.JobComplete, noon, `{}`)
	w.settle()
}

// A call that fails, wherever it is, changes nothing in the end.
func TestAFaultAnywhereEndsInTheSameWorld(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, f *faulty) string {
		t.Helper()
		w := setup(t)
		w.Client, f.world = f.client(w.WithWatch), w
		life(w)
		return w.describe()
	}
	none := &faulty{}
	want := run(t, none)
	if none.writes < 20 {
		t.Fatalf("%d writes", none.writes)
	}
	t.Logf("%d writes, %d reads", none.writes, none.reads)
	for _, each := range []int{5, 7, 11} {
		t.Run(fmt.Sprintf("read/%d", each), func(t *testing.T) {
			t.Parallel()
			if have := run(t, &faulty{failEach: each}); have != want {
				t.Errorf("one in %d reads failed, and it ends so:\n%s\nand not so:\n%s", each, have, want)
			}
		})
	}
	for _, lost := range []bool{false, true} {
		for write := 1; write <= none.writes; write++ {
			t.Run(fmt.Sprintf("write/%d/lost=%v", write, lost), func(t *testing.T) {
				t.Parallel()
				if have := run(t, &faulty{fail: write, lost: lost}); have != want {
					t.Errorf("write %d failed, and it ends so:\n%s\nand not so:\n%s", write, have, want)
				}
			})
		}
	}
}
