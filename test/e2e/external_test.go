//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"time"
)

// externalEngines starts a MySQL and a Redis that no release has made and that refuse who comes without TLS. Their certificate is
// signed by an authority that only the Secret `authority` knows. It gives helm's arguments for them.
func (c *cluster) externalEngines() []string {
	c.t.Helper()
	authority, certificate, key := c.certificates("mysql", "redis")
	secrets := map[string]map[string]string{
		"authority":   {"authority.crt": authority},
		"certificate": {"tls.crt": certificate, "tls.key": key},
		"engines":     {"password": rand.Text()},
	}
	for name, data := range secrets {
		text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name}, "stringData": data})
		if err != nil {
			c.t.Fatal(err)
		}
		c.apply(string(text))
	}
	c.apply(`
apiVersion: v1
kind: Pod
metadata:
  name: mysql
  labels: {engine: mysql}
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, fsGroup: 999, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: mysql
      image: mysql:9.7
      args: [--require-secure-transport=ON, --ssl-cert=/tls/tls.crt, --ssl-key=/tls/tls.key]
      env:
        - {name: MYSQL_DATABASE, value: chat_system}
        - {name: MYSQL_USER, value: chat}
        - {name: MYSQL_PASSWORD, valueFrom: {secretKeyRef: {name: engines, key: password}}}
        - {name: MYSQL_RANDOM_ROOT_PASSWORD, value: "yes"}
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: tls, mountPath: /tls}]
  volumes:
    - name: tls
      secret: {secretName: certificate, defaultMode: 0440}
---
apiVersion: v1
kind: Pod
metadata:
  name: redis
  labels: {engine: redis}
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, fsGroup: 999, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: redis
      image: redis:8.0
      command: [sh, -ec]
      args:
        - exec redis-server --port 0 --tls-port 6379 --tls-auth-clients no --tls-cert-file /tls/tls.crt --tls-key-file /tls/tls.key
          --requirepass "$PASSWORD" --appendonly yes --appendfsync always --maxmemory-policy noeviction
      env:
        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: engines, key: password}}}
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: tls, mountPath: /tls}]
  volumes:
    - name: tls
      secret: {secretName: certificate, defaultMode: 0440}
---
apiVersion: v1
kind: Service
metadata: {name: mysql}
spec: {selector: {engine: mysql}, ports: [{port: 3306}]}
---
apiVersion: v1
kind: Service
metadata: {name: redis}
spec: {selector: {engine: redis}, ports: [{port: 6379}]}`)
	return []string{
		"--set=mysql.enabled=false,mysql.external.host=mysql,mysql.external.existingSecret=engines",
		"--set=redis.enabled=false,redis.external.url=rediss://redis:6379/0,redis.external.existingSecret=engines",
		"--set=ca.secret=authority",
	}
}

// certificates makes an authority and the certificate of some hosts, as PEM.
func (c *cluster) certificates(hosts ...string) (authority, certificate, key string) {
	c.t.Helper()
	check := func(err error) {
		if err != nil {
			c.t.Helper()
			c.t.Fatal(err)
		}
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: hosts, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, signer.Public(), signer)
	check(err)
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, own.Public(), signer)
	check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(own)
	check(err)
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return text("CERTIFICATE", caDER), text("CERTIFICATE", leafDER), text("PRIVATE KEY", keyDER)
}
