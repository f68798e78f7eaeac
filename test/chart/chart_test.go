package chart

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"chat-system/internal/enginetest/kubernetes"
)

// What the chart can make objects of and a cluster may lack: module, and the folder in it that has the definitions.
var definitions = map[string]string{
	"sigs.k8s.io/gateway-api@v1.6.3":                             "config/crd/standard",
	"github.com/prometheus-operator/prometheus-operator@v0.90.1": "example/prometheus-operator-crd",
}

func TestMain(m *testing.M) { kubernetes.Main(m) }

// module gives the folder of a Go module.
func module(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", name).Output()
	var m struct{ Dir, Error string }
	if err := errors.Join(err, json.Unmarshal(out, &m)); err != nil || m.Error != "" {
		t.Fatalf("%s: %v: %s", name, err, m.Error)
	}
	return m.Dir
}

// warnings are what the API server says about objects that it takes: a pod that PodSecurity would refuse, a field that is
// gone soon.
type warnings struct {
	mu   sync.Mutex
	said []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

// apiServer gives the API server, which has what the chart makes objects of, and a namespace of the test's own.
func apiServer(t *testing.T) *kubernetes.Server {
	t.Helper()
	server := kubernetes.Start(t)
	installing.Do(func() {
		paths := []string{"../../charts/chat-system/crds"}
		for name, folder := range definitions {
			paths = append(paths, filepath.Join(module(t, name), folder))
		}
		errInstalled = server.Install(paths...)
	})
	if errInstalled != nil {
		t.Fatal(errInstalled)
	}
	return server
}

var (
	installing   sync.Once // two at once would make the same definition
	errInstalled error
)

func TestEverySwitchIsAcceptedByTheAPIServer(t *testing.T) {
	t.Parallel()
	server := apiServer(t)
	_, err := server.Clients.CoreV1().Namespaces().Patch(t.Context(), server.Namespace, "application/merge-patch+json",
		[]byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/warn":"restricted","pod-security.kubernetes.io/enforce":"restricted"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	external := []string{
		"--set=mysql.enabled=false,mysql.external.host=mysql.example.com,mysql.external.existingSecret=m",
		"--set=redis.enabled=false,redis.external.existingSecret=r",
		"--set-json=elasticsearch={\"enabled\":false,\"external\":{\"urls\":[\"https://a:9200\",\"https://b:9200\"],\"username\":\"u\",\"existingSecret\":\"e\"}}",
	}
	for name, args := range map[string][]string{
		"Defaults":        nil,
		"Production":      {"--values=../../charts/chat-system/values-production.yaml"},
		"SearchOff":       {"--set=search.enabled=false"},
		"ExternalRedis":   append([]string{"--set=redis.external.url=rediss://redis.example.com:6379/0"}, external...),
		"RedisSentinel":   append([]string{"--set=redis.external.url=redis://s:26379/0?master_name=chat"}, external...),
		"RedisCluster":    append([]string{"--set=redis.external.url=redis://a:6379?addr=b:6379"}, external...),
		"Autoscaling":     {"--set=api.autoscaling.enabled=true,api.autoscaling.targetMemoryUtilizationPercentage=80"},
		"NoBackup":        {"--set=backup.enabled=false"},
		"BackupExternal":  append([]string{"--set=redis.external.url=rediss://redis.example.com:6379/0,backup.enabled=true,ca.secret=ca"}, external...),
		"BackupS3":        {`--set-json=backup={"timeZone":"Europe/Berlin","suspend":true,"method":"dump","verify":false,"replicas":2,"s3":{"bucket":"bucket","prefix":"a/b","endpoint":"https://minio:9000","region":"eu","existingSecret":"s3"},"retention":{"last":0}}`},
		"BackupVolume":    {"--set=backup.persistence.existingClaim=mine,backup.serviceAccount.create=false,backup.rbac.create=false"},
		"Ingress":         {`--set-json=ingress={"enabled":true,"className":"nginx","hosts":["chat.example.com"],"tls":[{"secretName":"x","hosts":["chat.example.com"]}]}`},
		"HTTPRoute":       {`--set-json=httpRoute={"enabled":true,"parentRefs":[{"name":"gateway","namespace":"infra"}],"hostnames":["chat.example.com"]}`},
		"PodMonitor":      {"--set=metrics.podMonitor.enabled=true,metrics.podMonitor.interval=15s"},
		"ServiceMonitor":  {"--set=metrics.serviceMonitor.enabled=true"},
		"PrometheusRule":  {"--set=metrics.prometheusRule.enabled=true,metrics.prometheusRule.alertLabels.team=chat"},
		"dashboards":      {"--set=metrics.dashboards.enabled=true,metrics.dashboards.annotations.grafana_folder=Chat"},
		"NoNetworkPolicy": {"--set=networkPolicy.enabled=false"},
		"Egress":          {`--set-json=networkPolicy.egress={"enabled":true,"rules":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}}],"ports":[{"port":3306}]}]}`},
		"Secrets":         {"--set=auth.existingSecret=mine,migration.existingSecret=admin,ca.configMap=ca"},
		"NoVolumes":       {"--set=mysql.persistence.enabled=false,redis.persistence.enabled=false,elasticsearch.persistence.enabled=false"},
		"Volumes":         {"--set=mysql.persistence.storageClass=fast,redis.persistence.storageClass=fast,elasticsearch.persistence.size=20Gi"},
		"NodePort":        {"--set=service.type=NodePort,service.nodePort=30080"},
		"LoadBalancer":    {"--set=service.type=LoadBalancer,service.port=443"},
		"NoBudgets":       {"--set=api.podDisruptionBudget.enabled=false,flusher.podDisruptionBudget.enabled=false"},
		"Accounts":        {"--set=api.serviceAccount.create=false,flusher.serviceAccount.create=false,flusher.serviceAccount.name=mine,flusher.rbac.create=false"},
		"Scheduling": {`--set-json=api={"nodeSelector":{"a":"b"},"tolerations":[{"key":"x","operator":"Exists"}],"priorityClassName":"system-cluster-critical","extraEnv":[{"name":"DEBUG","value":"true"}],"extraEnvFrom":[{"configMapRef":{"name":"more"}}],"podLabels":{"l":"1"},"podAnnotations":{"a":"1"}}`,
			`--set-json=flusher.affinity={"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"podAffinityTerm":{"topologyKey":"kubernetes.io/hostname","labelSelector":{}}}]}}`},
		"Images": {"--set=image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000,image.pullPolicy=Always", `--set-json=imagePullSecrets=[{"name":"registry"}]`},
		"Names":  {"--set=fullnameOverride=another", "--set=partitions=4,flusher.shards=4,flusher.replicas=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := &warnings{}
			config := rest.CopyConfig(server.Config)
			config.WarningHandler = said
			c, err := client.New(config, client.Options{})
			if err != nil {
				t.Fatal(err)
			}
			objects := Render(t, append([]string{"--namespace=" + server.Namespace}, args...)...)
			if len(objects) < 10 {
				t.Fatalf("%d objects", len(objects))
			}
			for _, o := range objects {
				if o.GetNamespace() == "" {
					o.SetNamespace(server.Namespace)
				}
				err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.DryRunAll, client.FieldOwner("test"), client.ForceOwnership)
				if err != nil {
					t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
				}
			}
			for _, text := range said.said {
				t.Errorf("the API server warns: %s", text)
			}
		})
	}
}
