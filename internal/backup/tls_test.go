package backup

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat-system/internal/enginetest"
)

// certificate writes one that signs itself, and its key, for a host.
func certificate(t *testing.T, host string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.ParseIP(host)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, &c, &c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", signed), write("key.pem", "PRIVATE KEY", secret)
}

// Both ways to copy use the certificates of the whole program, and refuse one of another host.
func TestRedisOverTLS(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		cert, key := certificate(t, host)
		addr := enginetest.FreeAddr(t)
		_, port, _ := net.SplitHostPort(addr)
		s, _ := redisOf(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no", "--tls-ca-cert-file", cert)
		accepted := fill(t, s.URL, 2, 10)
		for _, method := range []Method{Replication, Dump} {
			for _, trusted := range []bool{true, false} {
				c := configured(t, s.URL)
				run := child(t, childTask{Storage: c.Storage.Location(), Redis: "rediss://" + addr + "/0", Name: "x", Method: method}, "")
				if trusted {
					run.Env = append(run.Env, "SSL_CERT_DIR="+filepath.Dir(cert))
				}
				out, err := run.CombinedOutput()
				if !trusted || host != "127.0.0.1" {
					if err == nil || !strings.Contains(string(out), "x509: ") || !strings.Contains(string(out), string(Unreachable)+" ") {
						t.Fatalf("%s of %s, trusted %v: %v %s", method, host, trusted, err, out)
					}
					mustBeEmpty(t, c.Storage)
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v %s", method, err, out)
				}
				mustHold(t, c, "x", accepted)
			}
		}
	}
}
