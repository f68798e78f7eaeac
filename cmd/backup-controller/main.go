// Command backup-controller looks after the backups of a release in Kubernetes. It is a program of its own, so that who tries chat
// compiles none of Kubernetes' libraries. `chat help` lists its variables.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	controller "chat-system/backup-controller"
	"chat-system/internal/config"
	"chat-system/internal/telemetry"
)

const name = "backup-controller"

func main() {
	ctx := ctrl.SetupSignalHandler()
	os.Exit(run(ctx, os.Environ(), os.Stderr))
}

func run(ctx context.Context, environ []string, errs io.Writer) int {
	cfg, warnings, err := config.Load(name, environ)
	if err != nil {
		_, _ = fmt.Fprintf(errs, "%s: the configuration is wrong:\n%v\n", name, err)
		return 2
	}
	log := telemetry.NewLogger(errs, cfg.LogFormat, cfg.LogLevel)
	for _, w := range warnings {
		log.Warn("configuration", "warning", w)
	}
	klog.SetSlogLogger(log)
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	if err := control(ctx, cfg, controller.Config{
		Place: controller.Place{Namespace: cfg.PodNamespace, Release: cfg.Release, Records: cfg.BackupRecords, Template: cfg.JobTemplate},
		Lease: cfg.LeaseName, Log: log,
	}); err != nil {
		_, _ = fmt.Fprintf(errs, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

func control(ctx context.Context, cfg config.Config, c controller.Config) (err error) {
	if c.API, err = ctrl.GetConfig(); err != nil {
		return fmt.Errorf("this is no pod with a service account, and there is no kubeconfig: %w", err)
	}
	if c.Ops, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.MetricsAddr); err != nil {
		return fmt.Errorf("METRICS_ADDR: %w", err)
	}
	return controller.Run(ctx, c)
}
