package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"chat-system/backup-controller/v1alpha1"
	"chat-system/internal/telemetry"
)

// Config of the process.
type Config struct {
	Place
	API   *rest.Config // address and credentials of the API server
	Lease string       // by which one of several replicas is elected
	Ops   net.Listener // where /metrics, /backups, /healthz and /readyz are answered
	Log   *slog.Logger
}

// Run controls until the context ends, or the Lease is lost. Before it returns, what was begun is ended and the Lease given back.
func Run(ctx context.Context, c Config) error {
	scheme, err := kinds()
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(c.API, options(c, scheme))
	if err != nil {
		return err
	}
	shared := &controller{
		Client: mgr.GetClient(), Place: c.Place, events: mgr.GetEventRecorder("backup-controller"), now: time.Now,
	}
	for _, r := range []interface{ setup(ctrl.Manager) error }{&schedules{shared}, &backups{shared}, &prunings{shared}, &restores{shared}} {
		if err := r.setup(mgr); err != nil {
			return err
		}
	}
	if err := mgr.Add(&manager.Server{Name: "operations", Server: operations(mgr), Listener: c.Ops}); err != nil {
		return err
	}
	c.Log.Info("controlling backups", "namespace", c.Namespace, "release", c.Release)
	return mgr.Start(ctx)
}

// kinds are all that the controller reads and writes.
func kinds() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

func options(c Config, scheme *runtime.Scheme) ctrl.Options {
	release := labels.SelectorFromSet(labels.Set{labelInstance: c.Release})
	ours := cache.ByObject{Label: release}
	return ctrl.Options{
		Scheme: scheme, Logger: logr.FromSlogHandler(c.Log.Handler()),
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{c.Namespace: {}},
			ByObject: map[client.Object]cache.ByObject{
				&v1alpha1.RedisBackupSchedule{}: ours, &v1alpha1.RedisBackup{}: ours, &v1alpha1.RedisRestore{}: ours,
				&batchv1.CronJob{}: ours, &batchv1.Job{}: ours,
				&corev1.ConfigMap{}:   {Field: fields.OneTermEqualSelector("metadata.name", c.Records)},
				&corev1.PodTemplate{}: {Field: fields.OneTermEqualSelector("metadata.name", c.Template)},
			},
		},
		NewClient: func(config *rest.Config, o client.Options) (client.Client, error) {
			o.Cache = nil // all reads go to the API server
			return client.New(config, o)
		},
		// A replica that stands by fills its caches, so that it is ready to follow.
		Controller:     config.Controller{EnableWarmup: new(true), SkipNameValidation: new(true), ReconciliationTimeout: time.Minute},
		LeaderElection: true, LeaderElectionID: c.Lease, LeaderElectionNamespace: c.Namespace, LeaderElectionReleaseOnCancel: true,
		Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", // operations answers both on one port
	}
}

// operations answers on the port of metrics and health. A replica that stands by is ready, too.
func operations(mgr ctrl.Manager) *http.Server {
	reg := prometheus.NewRegistry()
	reg.MustRegister(telemetry.NewBuildInfo(), NewCollector(mgr.GetCache()))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.Gatherers{reg, ctrlmetrics.Registry}, promhttp.HandlerOpts{Registry: reg}))
	mux.Handle("/backups", list(mgr.GetCache()))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			http.Error(w, "what the API server knows is not read yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
}
