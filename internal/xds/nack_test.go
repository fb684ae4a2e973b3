package xds

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// TestOffenders reads the texts of Envoy 1.40, as they were seen.
func TestOffenders(t *testing.T) {
	truncated := "Error adding/updating cluster(s) " + strings.Repeat("edge: malformed IP address: localhost, ", 110)
	for _, c := range []struct {
		name    string
		typ     snapshot.Type
		message string
		want    string
	}{
		{
			"one listener", snapshot.LDS,
			"Error adding/updating listener(s) tcp/0.0.0.0:80: cannot bind '0.0.0.0:80': Permission denied\n",
			"tcp/0.0.0.0:80",
		},
		{
			"two listeners, one of which speaks of another", snapshot.LDS,
			"Error adding/updating listener(s) edge: error adding listener: 'edge' has duplicate address '127.0.0.1:22030' as " +
				"existing listener, to check if web: or 'enable_reuse_port' is set to 'false' for the listener\n" +
				"tcp/0.0.0.0:80: cannot bind '0.0.0.0:80': Address already in use\n",
			"edge tcp/0.0.0.0:80",
		},
		{
			"a listener with a colon that begins like another", snapshot.LDS,
			"Error adding/updating listener(s) tcp/[::]:80: cannot bind '[::]:80': Cannot assign requested address\n",
			"tcp/[::]:80",
		},
		{
			"a filter of a listener", snapshot.LDS,
			"Error adding/updating listener(s) edge: goo.gle/debugstr   \ncluster: \"web\"\nname: \"web\"\n: Proto constraint validation " +
				"failed (TcpProxyValidationError.StatPrefix: value length must be at least 1 characters)\n",
			"edge",
		},
		{
			"a listener that breaks a rule of its message", snapshot.LDS,
			"goo.gle/debugproto    \nname: \"edge\"\naddress {\n  socket_address {\n    address: \"0.0.0.0\"\n  }\n}\nfilter_chains {\n" +
				"  filters {\n    name: \"web\"\n  }\n}\n: Proto constraint validation failed (ListenerValidationError.Address: ...)",
			"edge",
		},
		{
			"one cluster", snapshot.CDS,
			"Error adding/updating cluster(s) web: The table size of maglev must be prime number",
			"web",
		},
		{
			"two clusters, texts with commas and names in them", snapshot.CDS,
			"Error adding/updating cluster(s) web: cluster: didn't find a registered load balancer factory implementation for " +
				"cluster: 'edge' with names from [foo, bar], canary/blue: LB policy ROUND_ROBIN is not valid",
			"canary/blue web",
		},
		{"many clusters, cut off", snapshot.CDS, truncated[:4096] + "...(truncated)", "edge"},
		{
			"the last name cut off", snapshot.CDS,
			"Error adding/updating cluster(s) web: malformed IP address, canar...(truncated)",
			"web",
		},
		{
			"a cluster that nobody sent", snapshot.CDS, "Error adding/updating cluster(s) other: because", "",
		},
		{"a name in delta", snapshot.CDS, "duplicate name web found among added/updated resources", ""},
		{"endpoints, without a name", snapshot.EDS, "malformed IP address: localhost", ""},
		{
			"endpoints that break a rule of their message", snapshot.EDS,
			"goo.gle/debugonly  \ncluster_name: \"web\"\nendpoints {\n  priority: 200\n}\n: Proto constraint validation failed",
			"web",
		},
		{"endpoints, in the words of clusters", snapshot.EDS, "Error adding/updating cluster(s) web: because", ""},
		{"a secret", snapshot.SDS, "Failed to load certificate chain from <inline>", ""},
		{"a secret that breaks a rule of its message", snapshot.SDS, "goo.gle/debugstr  \nname: \"web\"\ntls_certificate {\n}\n", "web"},
		{"nothing", snapshot.LDS, "", ""},
		{"no more than the prefix", snapshot.LDS, "Error adding/updating listener(s) ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent []*snapshot.Entry
			for _, name := range []string{"canary/blue", "edge", "tcp/0.0.0.0:80", "tcp/0.0.0.0:8", "tcp/[::]:80", "web"} {
				sent = append(sent, &snapshot.Entry{Name: name})
			}
			var got []string
			for _, e := range offenders(c.typ, c.message, sent) {
				got = append(got, e.Name)
			}
			if want := strings.Fields(c.want); !slices.Equal(got, want) {
				t.Errorf("offenders are %q, want %q", got, want)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	const key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
	for _, c := range []struct{ name, message, want string }{
		{"nothing secret", "cannot bind '0.0.0.0:80'\n", "cannot bind '0.0.0.0:80'\n"},
		{
			"an inline string", `private_key { inline_string: "k\"ey\n" } name: "a"`,
			`private_key { inline_string: "[redacted]" } name: "a"`,
		},
		{"inline bytes", `inline_bytes: "\001\"" x`, `inline_bytes: "[redacted]" x`},
		{"without a space", `inline_string:"key"`, `inline_string: "[redacted]"`},
		{"two", `inline_string: "a" inline_bytes: "b"`, `inline_string: "[redacted]" inline_bytes: "[redacted]"`},
		{"cut off inside", `a inline_string: "KEY...(truncated)`, `a inline_string: "[redacted]"`},
		{"cut off after a backslash", `a inline_string: "KEY\`, `a inline_string: "[redacted]"`},
		{"over lines", "inline_string: \"KEY\\\nKEY\nKEY\" x", `inline_string: "[redacted]" x`},
		{"a key in PEM", "a " + key + " b", "a [private key redacted] b"},
		{"two keys in PEM", key + " and " + strings.ReplaceAll(key, "RSA ", ""), "[private key redacted] and [private key redacted]"},
		{"a key in PEM, cut off", "a " + key[:40], "a [private key redacted]"},
		{"a certificate is not secret", "-----BEGIN CERTIFICATE-----\nMIIC\n", "-----BEGIN CERTIFICATE-----\nMIIC\n"},
		{"no valid UTF-8", "bad \xff\xfe byte", "bad \uFFFD byte"},
	} {
		if got := redact(c.message); got != c.want {
			t.Errorf("%s: redact(%q) = %q, want %q", c.name, c.message, got, c.want)
		}
	}
}

// TestRedactBounds: a client may say as much as it likes; what is kept is little, valid, and without a key that the cut
// went through.
func TestRedactBounds(t *testing.T) {
	for _, message := range []string{
		strings.Repeat("é", maxMessage),
		strings.Repeat("x", maxMessage-20) + `inline_string: "KEYKEYKEYKEYKEYKEYKEYKEY"`,
		strings.Repeat("x", maxMessage-40) + "-----BEGIN PRIVATE KEY-----\nKEYKEYKEYKEYKEYKEYKEYKEY\n-----END PRIVATE KEY-----",
	} {
		got := redact(message)
		if len(got) > maxMessage+100 || !utf8.ValidString(got) || strings.Contains(got, "KEYKEY") {
			t.Errorf("of %d bytes are kept %d: ...%q", len(message), len(got), got[max(0, len(got)-100):])
		}
	}
}
