package translate_test

import (
	"maps"
	"slices"
	"testing"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamlogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/translate"
)

func TestAccessLogGoesTo(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{"stdout", "stdout"}, {"stderr", "stderr"}, {"/var/log/x.log", "/var/log/x.log"},
	} {
		r := resources(t, "listeners: {x: {tcp: 1, udp: 1, to: 10.0.0.1:1, access_log: "+tt.file+"}}")
		for protocol, logs := range logsOf(t, r) {
			if got, _ := writtenTo(t, logs[0]); len(logs) != 1 || got != tt.want {
				t.Errorf("%s, %s: written to %q by %d logs", tt.file, protocol, got, len(logs))
			}
		}
	}
}

func TestAccessLogSays(t *testing.T) {
	defaults := map[string][]string{
		"tcp": {
			"address", "bytes_received", "bytes_sent", "client", "cluster", "duration_ms", "endpoint", "failure",
			"flags", "listener", "protocol", "sni", "start",
		},
		"udp": {
			"address", "bytes_received", "bytes_sent", "client", "cluster", "datagrams_received", "datagrams_sent",
			"duration_ms", "endpoint", "listener", "protocol", "start",
		},
	}
	r := resources(t, "listeners: {x: {tcp: 1, udp: 1, to: 10.0.0.1:1, access_log: stdout}}")
	for protocol, logs := range logsOf(t, r) {
		_, format := writtenTo(t, logs[0])
		if got := slices.Sorted(maps.Keys(format.GetJsonFormat().GetFields())); !slices.Equal(got, defaults[protocol]) {
			t.Errorf("%s: fields %q, want %q", protocol, got, defaults[protocol])
		}
		if got := format.GetJsonFormat().GetFields()["listener"].GetStringValue(); got != "x" {
			t.Errorf("%s: listener %q, want x", protocol, got)
		}
	}
	r = resources(t, `listeners: {x: {tcp: 1, udp: 1, to: 10.0.0.1:1, access_log: {file: stdout, json: {who: "%DOWNSTREAM_REMOTE_ADDRESS%"}}}}`)
	for protocol, logs := range logsOf(t, r) {
		_, format := writtenTo(t, logs[0])
		if got := format.GetJsonFormat().AsMap(); len(got) != 1 || got["who"] != "%DOWNSTREAM_REMOTE_ADDRESS%" {
			t.Errorf("%s: fields %v", protocol, got)
		}
	}
	r = resources(t, `listeners: {x: {tcp: 1, udp: 1, to: 10.0.0.1:1, access_log: {file: stdout, text: "%DURATION% ms"}}}`)
	for protocol, logs := range logsOf(t, r) {
		_, format := writtenTo(t, logs[0])
		if got := format.GetTextFormatSource().GetInlineString(); got != "%DURATION% ms\n" {
			t.Errorf("%s: line %q", protocol, got)
		}
	}
}

// A client that no chain takes is seen by the listener only, which must not log the others a second time.
func TestRefusedClientsAreLogged(t *testing.T) {
	r := resources(t, "listeners: {edge: {tcp: 1, sni: {a.b: 10.0.0.1:1}, access_log: stdout}, quiet: {tcp: 2, sni: {a.b: 10.0.0.1:1}}}")
	logs := listenerOf(t, r, "tcp/0.0.0.0:1").AccessLog
	if len(logs) != 1 {
		t.Fatalf("%d logs, want 1", len(logs))
	}
	if got := logs[0].GetFilter().GetResponseFlagFilter().GetFlags(); !slices.Equal(got, []string{"NR"}) {
		t.Errorf("logged under the flags %q, want NR", got)
	}
	if got := listenerOf(t, r, "tcp/0.0.0.0:2").AccessLog; len(got) > 0 {
		t.Errorf("logged unasked: %v", got)
	}
}

// logsOf are the access logs of the TCP and the UDP listener on port 1.
func logsOf(t *testing.T, r *translate.Resources) map[string][]*accesslogv3.AccessLog {
	t.Helper()
	return map[string][]*accesslogv3.AccessLog{
		"tcp": tcpProxyOf(t, listenerOf(t, r, "tcp/0.0.0.0:1").FilterChains[0]).AccessLog,
		"udp": udpProxyOf(t, listenerOf(t, r, "udp/0.0.0.0:1")).AccessLog,
	}
}

// writtenTo is where and in what format a log is written.
func writtenTo(t *testing.T, log *accesslogv3.AccessLog) (string, *corev3.SubstitutionFormatString) {
	t.Helper()
	switch m := unpack[proto.Message](t, log.GetTypedConfig()).(type) {
	case *streamlogv3.StdoutAccessLog:
		return "stdout", m.GetLogFormat()
	case *streamlogv3.StderrAccessLog:
		return "stderr", m.GetLogFormat()
	case *filelogv3.FileAccessLog:
		return m.Path, m.GetLogFormat()
	default:
		t.Fatalf("logger %T", m)
		return "", nil
	}
}
