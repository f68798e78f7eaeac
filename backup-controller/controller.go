package controller

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"chat-system/backup-controller/v1alpha1"
)

// Place is whose objects the controller sees, and which of the chart's it uses.
type Place struct {
	Namespace string
	Release   string // the value of app.kubernetes.io/instance
	Records   string // the ConfigMap of the records
	Template  string // the PodTemplate of what all Jobs have in common
}

// controller is what the reconcilers share.
type controller struct {
	client.Client // asks the API server, no cache
	Place
	events events.EventRecorder
	now    func() time.Time
}

// ours says whether an object belongs to this release.
func (c *controller) ours(o client.Object) bool { return o.GetLabels()[labelInstance] == c.Release }

// owned is how the controller owns what it makes, without the right that blocking an owner's deletion needs on some clusters.
var owned = controllerutil.WithBlockOwnerDeletion(false)

// lookup reads an object; nil where there is none.
func lookup[T client.Object](ctx context.Context, c client.Reader, key client.ObjectKey, o T) (T, error) {
	if err := c.Get(ctx, key, o); err != nil {
		var none T
		return none, client.IgnoreNotFound(err)
	}
	return o, nil
}

// refused says that the API server will not take an object as it is, however often it is tried.
func refused(err error) bool { return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) }

// mapped wakes the objects of the names that an object leads to.
func mapped(names func(client.Object) []string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) (requests []reconcile.Request) {
		for _, name := range names(o) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: name}})
		}
		return requests
	})
}

// mappedTo wakes the RedisRestores that an object concerns.
func mappedTo(c client.Reader, concerns func(client.Object, *v1alpha1.RedisRestore) bool) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) (requests []reconcile.Request) {
		all := &v1alpha1.RedisRestoreList{}
		if c.List(ctx, all, client.InNamespace(o.GetNamespace())) != nil {
			return nil
		}
		for i := range all.Items {
			if rr := &all.Items[i]; concerns(o, rr) {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(rr)})
			}
		}
		return requests
	})
}
