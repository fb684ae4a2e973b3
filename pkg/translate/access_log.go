package translate

import (
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamlogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/l4xds/l4xds/pkg/config"
)

// noRoute is the flag of a connection that no filter chain took.
const noRoute = "NR"

// connectionFields are the default fields of a TCP connection's line. An operator that has nothing to say is null.
// UPSTREAM_CLUSTER_RAW is the cluster's name as in the file and in /status, dots included.
var connectionFields = []config.Field{
	{Name: "address", Value: "%DOWNSTREAM_LOCAL_ADDRESS%"},
	{Name: "bytes_received", Value: "%BYTES_RECEIVED%"},
	{Name: "bytes_sent", Value: "%BYTES_SENT%"},
	{Name: "client", Value: "%DOWNSTREAM_REMOTE_ADDRESS%"},
	{Name: "cluster", Value: "%UPSTREAM_CLUSTER_RAW%"},
	{Name: "duration_ms", Value: "%DURATION%"},
	{Name: "endpoint", Value: "%UPSTREAM_HOST%"},
	{Name: "failure", Value: "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
	{Name: "flags", Value: "%RESPONSE_FLAGS%"},
	{Name: "protocol", Value: "tcp"},
	{Name: "sni", Value: "%REQUESTED_SERVER_NAME%"},
	{Name: "start", Value: "%START_TIME%"},
}

// sessionFields are the same for a UDP session. Envoy tells its cluster and datagrams as metadata only, and has no flags
// for it.
var sessionFields = []config.Field{
	{Name: "address", Value: "%DOWNSTREAM_LOCAL_ADDRESS%"},
	{Name: "bytes_received", Value: "%BYTES_RECEIVED%"},
	{Name: "bytes_sent", Value: "%BYTES_SENT%"},
	{Name: "client", Value: "%DOWNSTREAM_REMOTE_ADDRESS%"},
	{Name: "cluster", Value: "%DYNAMIC_METADATA(udp.proxy.session:cluster_name)%"},
	{Name: "datagrams_received", Value: "%DYNAMIC_METADATA(udp.proxy.session:datagrams_received)%"},
	{Name: "datagrams_sent", Value: "%DYNAMIC_METADATA(udp.proxy.session:datagrams_sent)%"},
	{Name: "duration_ms", Value: "%DURATION%"},
	{Name: "endpoint", Value: "%UPSTREAM_HOST%"},
	{Name: "protocol", Value: "udp"},
	{Name: "start", Value: "%START_TIME%"},
}

// connectionLog writes a line to this log when a TCP connection of l ends, nil for no log.
func connectionLog(l *config.Listener, log *config.AccessLog) []*accesslogv3.AccessLog {
	return accessLogs(l, log, connectionFields, nil)
}

// sessionLog writes a line when a UDP session ends, nil for no log.
func sessionLog(l *config.Listener) []*accesslogv3.AccessLog {
	return accessLogs(l, l.AccessLog, sessionFields, nil)
}

// refusedLog writes a line for a client that no filter chain took: no filter sees it, only the listener does. Without
// the condition the listener would log every connection a second time.
func refusedLog(l *config.Listener) []*accesslogv3.AccessLog {
	return accessLogs(l, l.AccessLog, connectionFields, &accesslogv3.AccessLogFilter{
		FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{
			ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: []string{noRoute}},
		},
	})
}

// accessLogs is a log of l with these default fields, and the condition under which a line is written, nil for always.
func accessLogs(
	l *config.Listener, to *config.AccessLog, defaults []config.Field, when *accesslogv3.AccessLogFilter,
) []*accesslogv3.AccessLog {
	if to == nil {
		return nil
	}
	log := accessLog(to.File, logFormat(l.Name, to, defaults))
	log.Filter = when
	return []*accesslogv3.AccessLog{log}
}

// accessLog writes to a file. The standard streams have loggers of their own: /dev/stdout cannot be opened where it is a
// socket, as under systemd.
func accessLog(file string, format *corev3.SubstitutionFormatString) *accesslogv3.AccessLog {
	switch file {
	case "stdout":
		return typedLog(stdoutLogName, &streamlogv3.StdoutAccessLog{
			AccessLogFormat: &streamlogv3.StdoutAccessLog_LogFormat{LogFormat: format},
		})
	case "stderr":
		return typedLog(stderrLogName, &streamlogv3.StderrAccessLog{
			AccessLogFormat: &streamlogv3.StderrAccessLog_LogFormat{LogFormat: format},
		})
	}
	return typedLog(fileLogName, &filelogv3.FileAccessLog{
		Path:            file,
		AccessLogFormat: &filelogv3.FileAccessLog_LogFormat{LogFormat: format},
	})
}

func typedLog(name string, m proto.Message) *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{Name: name, ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: pack(m)}}
}

// logFormat is what a line says: the text or the fields that were asked for, else the defaults and the stanza's name.
func logFormat(stanza string, log *config.AccessLog, defaults []config.Field) *corev3.SubstitutionFormatString {
	switch {
	case log.Text != "":
		return textFormat(log.Text)
	case log.JSON != nil:
		return jsonFormat(log.JSON)
	}
	return jsonFormat(append([]config.Field{{Name: "listener", Value: stanza}}, defaults...))
}

// textFormat ends each line, which Envoy leaves to the format.
func textFormat(text string) *corev3.SubstitutionFormatString {
	line := strings.TrimSuffix(text, "\n") + "\n"
	return inlineFormat(line)
}

func jsonFormat(fields []config.Field) *corev3.SubstitutionFormatString {
	values := make(map[string]*structpb.Value, len(fields))
	for _, f := range fields {
		values[f.Name] = structpb.NewStringValue(f.Value)
	}
	return &corev3.SubstitutionFormatString{
		Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: &structpb.Struct{Fields: values}},
	}
}
