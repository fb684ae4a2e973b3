package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/test/certs"
)

// withTLS is a configuration that names a certificate.
const withTLS = "listeners: {db: {tcp: 1001, tls: {cert: %}, to: 10.0.0.1:5432}}\n"

// issue makes a certificate that no other is.
func (r *rig) issue() certs.Pair {
	r.t.Helper()
	ca, err := certs.NewAuthority()
	r.must(err)
	pair, err := ca.Issue(certs.Leaf{})
	r.must(err)
	return pair
}

// rotation is one way to replace a certificate and its key.
type rotation struct {
	name, cert string
	put        func(r *rig, dir string, pair certs.Pair, first bool)
}

var rotations = []rotation{
	{"one after the other", "pair/api.crt", func(r *rig, dir string, pair certs.Pair, first bool) {
		r.must(certs.Replace(filepath.Join(dir, "api.crt"), pair.Cert))
		if !first {
			time.Sleep(shortGrace / 3) // the reason for this test
		}
		r.must(certs.Replace(filepath.Join(dir, "api.key"), pair.Key))
	}},
	{"in place, the key first", "pair/api.crt", func(r *rig, dir string, pair certs.Pair, first bool) {
		r.write(filepath.Join(dir, "api.key"), string(pair.Key))
		if !first {
			time.Sleep(shortGrace / 3)
		}
		r.write(filepath.Join(dir, "api.crt"), string(pair.Cert))
	}},
	{"..data swapped", "pair", func(r *rig, dir string, pair certs.Pair, first bool) {
		version := "..2"
		if first {
			version = "..1"
		}
		r.must(os.Mkdir(filepath.Join(dir, version), 0o700))
		r.write(filepath.Join(dir, version, "tls.crt"), string(pair.Cert))
		r.write(filepath.Join(dir, version, "tls.key"), string(pair.Key))
		r.must(os.Symlink(version, filepath.Join(dir, "..tmp")))
		r.must(os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
		if first {
			r.must(os.Symlink("..data/tls.crt", filepath.Join(dir, "tls.crt")))
			r.must(os.Symlink("..data/tls.key", filepath.Join(dir, "tls.key")))
		}
	}},
}

// TestRotations: a new pair is in force once both halves are there, and what is between is never said.
func TestRotations(t *testing.T) {
	for way, options := range noticing {
		for _, rotation := range rotations {
			t.Run(way+"/"+rotation.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				dir := filepath.Join(r.dir, "pair")
				r.must(os.Mkdir(dir, 0o700))
				rotation.put(r, dir, r.issue(), true)
				r.write(r.file, strings.Replace(withTLS, "%", rotation.cert, 1))
				r.start(options)
				r.wantPort(1001)
				next := r.issue()
				rotation.put(r, dir, next, false)
				r.until("the new certificate in force", func() bool {
					return string(r.daemon.model.InForce().Listeners[0].TLS.Certs[0].Chain.Text) == string(next.Cert)
				})
				if text := r.log.String(); strings.Contains(text, "refused") || r.config().Generation != 2 {
					t.Errorf("generation %d, and the log says:\n%s", r.config().Generation, text)
				}
			})
		}
	}
}

// TestACertificateThatFollows: a file that was replaced in one step may name what is still to come.
func TestACertificateThatFollows(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1002))
	r.start(nil)
	r.wantPort(1002)
	r.save(strings.Replace(withTLS, "%", "api.crt", 1))
	time.Sleep(shortGrace / 3) // the reason for this test
	r.must(r.issue().Write(r.dir, "api"))
	r.wantPort(1001)
	if text := r.log.String(); strings.Contains(text, "refused") {
		t.Errorf("the log says:\n%s", text)
	}
}

// TestTimeAlone: a certificate that is not valid yet is refused, and taken once it is; one that expires is told of.
func TestTimeAlone(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1002))
	r.start(noticing["poll"])
	r.wantPort(1002)
	ca, err := certs.NewAuthority()
	r.must(err)
	now := time.Now()
	pair, err := ca.Issue(certs.Leaf{From: now.Add(2 * time.Second), Until: now.Add(5 * time.Second)})
	r.must(err)
	r.must(pair.Write(r.dir, "api"))
	r.save(strings.Replace(withTLS, "%", "api.crt", 1))
	r.wantRefused("is not valid before", 1002)
	r.wantPort(1001)
	r.until("the warning", func() bool { return len(r.config().Messages) == 1 && r.config().Messages[0].Severity == config.Warning })
	r.wantRefused("expired on", 1001)
}

// TestAPairThatStaysWrong: what does not fit for long is said, and what was in force stays.
func TestAPairThatStaysWrong(t *testing.T) {
	r := newRig(t)
	first, second := r.issue(), r.issue()
	r.must(first.Write(r.dir, "api"))
	r.write(r.file, strings.Replace(withTLS, "%", "api.crt", 1))
	r.start(nil)
	r.wantPort(1001)
	r.must(certs.Replace(filepath.Join(r.dir, "api.key"), second.Key))
	r.wantRefused("does not fit the certificate", 1001)
	if got := r.daemon.model.InForce().Listeners[0].TLS.Certs[0].Key.Text; string(got) != string(first.Key) {
		t.Error("another key is in force")
	}
	if _, text := r.get("/metrics"); !strings.Contains(text, "\nl4xds_config_certificate_expiry_timestamp_seconds 1.") {
		t.Error("the metrics do not say when the certificate expires")
	}
	for _, page := range []string{"/config", "/status", "/metrics"} {
		if _, text := r.get(page); strings.Contains(text, "PRIVATE") || strings.Contains(text, strings.Split(string(first.Key), "\n")[1]) {
			t.Errorf("%s shows the key", page)
		}
	}
	r.must(certs.Replace(filepath.Join(r.dir, "api.key"), first.Key))
	r.until("all is well", func() bool { return len(r.config().Messages) == 0 })
}
