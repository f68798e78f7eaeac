// Package kubernetes gives tests a real Kubernetes API server, which starts with the first test that asks for it. No pod
// runs there: a test makes the objects that it needs.
package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

var (
	environment *envtest.Environment
	adding      sync.Mutex
	start       = sync.OnceValues(func() (*rest.Config, error) {
		assets, err := assets()
		if err != nil {
			return nil, err
		}
		environment = &envtest.Environment{BinaryAssetsDirectory: assets, ControlPlaneStartTimeout: 2 * time.Minute}
		return environment.Start()
	})
)

// assets is the folder of kube-apiserver and etcd.
func assets() (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		if dir = filepath.Join(cache, "chat-system", "kubernetes"); os.Getuid() == 0 {
			dir = "/var/cache/chat-system/kubernetes" // where install.sh puts it
		}
	}
	for _, name := range []string{"kube-apiserver", "etcd"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%s is not installed: run `make engines`, set KUBEBUILDER_ASSETS to a folder that has it, or run the tests with -short", name)
		}
	}
	return dir, nil
}

// Main runs a package's tests and ends the API server. It is to be called from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if environment != nil {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the API server:", err)
		}
	}
	os.Exit(code)
}

// Server is the API server, and a namespace of the test's own.
type Server struct {
	Config    *rest.Config // may do everything
	Clients   *kubernetes.Clientset
	Namespace string
}

// Start gives the API server, with a new namespace that stays until it ends.
func Start(t *testing.T) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an API server, and -short is set")
	}
	config, err := start()
	if err != nil {
		t.Fatal(err)
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := clients.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &Server{Config: config, Clients: clients, Namespace: ns.Name}
}

// Install makes the kinds that files, or the files of folders, define. Two at once would make the same definition.
func (s *Server) Install(paths ...string) error {
	_, err := envtest.InstallCRDs(s.Config, envtest.CRDInstallOptions{Paths: paths, MaxTime: 2 * time.Minute})
	return err
}

// User gives the credentials of a user who may do nothing until a test lets it.
func (s *Server) User(t *testing.T, name string) *rest.Config {
	t.Helper()
	adding.Lock() // envtest numbers certificates without one
	defer adding.Unlock()
	user, err := environment.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return user.Config()
}
