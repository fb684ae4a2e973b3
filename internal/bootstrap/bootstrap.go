// Package bootstrap makes the file that an Envoy starts from to follow l4xds, and lets a real Envoy check what it would
// be given.
//
//	flags of `l4xds bootstrap` -> bootstrap -> envoy -c FILE -> internal/xds
//
// The file is deployed once per Envoy and no edit of the configuration reaches it. So it holds from the first version
// what later ones will need.
package bootstrap

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/internal/render"
	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
)

// DefaultAdmin is where Envoy's admin interface listens unless told otherwise: it can do everything and asks nobody
// who they are, so only its own machine may reach it.
const DefaultAdmin = "127.0.0.1:9901"

// Options say which Envoy the file is for.
type Options struct {
	// NodeID and Cluster are who the Envoy says it is; both are required.
	NodeID, Cluster string
	// Zone is where it runs, empty if that does not matter.
	Zone string
	// Metadata are further words about it that groups can ask for.
	Metadata map[string]string
	// Capabilities are what its process may do, if anybody asks: see [config.Capability].
	Capabilities []config.Capability
	// XDS is the address of l4xds, host:port.
	XDS string
	// Admin is the address of Envoy's own admin interface, IP:port.
	Admin string
	// Variant is the form of ADS; empty is [xds.Delta].
	Variant xds.Variant
}

// endpoint is an address whose port has been read.
type endpoint struct {
	host string
	port uint32
}

func parseEndpoint(flag, text string) (endpoint, error) {
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return endpoint{}, fmt.Errorf("%s is %q, want HOST:PORT", flag, text)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 || host == "" {
		return endpoint{}, fmt.Errorf("%s is %q, want HOST:PORT with a port of 1..65535", flag, text)
	}
	return endpoint{host: host, port: uint32(port)}, nil
}

// isIP reports whether the host needs no name server.
func (e endpoint) isIP() bool {
	_, err := netip.ParseAddr(e.host)
	return err == nil
}

// section is a part of the file and the comment above it.
type section struct {
	comment string
	message proto.Message
}

// Write writes the bootstrap as YAML with comments. An error is a wrong option, or that of w.
func Write(w io.Writer, o Options) error {
	if o.NodeID == "" || o.Cluster == "" {
		return fmt.Errorf("an Envoy needs a node id and a cluster to ask for its listeners")
	}
	if _, taken := o.Metadata[metadataKey]; taken && len(o.Capabilities) > 0 {
		return fmt.Errorf("capabilities are written to the metadata %q, which is given a value, too; leave one of them out", metadataKey)
	}
	server, err := parseEndpoint("the xDS address", o.XDS)
	if err != nil {
		return err
	}
	admin, err := parseEndpoint("the admin address", o.Admin)
	if err != nil {
		return err
	}
	if !admin.isIP() {
		return fmt.Errorf("the admin address is %q, want an IP address and a port: Envoy binds no names", o.Admin)
	}
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	for _, s := range sections(o, server, admin) {
		if _, err := io.WriteString(w, "\n"+s.comment); err != nil {
			return err
		}
		if err := render.Message(w, s.message); err != nil {
			return err
		}
	}
	return nil
}

const head = `# An Envoy that follows l4xds: envoy -c THIS-FILE --drain-time-s 60
#
# The drain time cannot stand in this file. It is how long connections of a changed or removed listener live on, and
# how long its port stays taken; Envoy's own default of 600 s is long for ports that move. UDP ports that are removed
# hear nothing for that time.
`

// sections are the parts of the file, in the order in which one reads them.
func sections(o Options, server, adminAddress endpoint) []section {
	return []section{
		{
			"# Who this Envoy is. Groups of the l4xds file choose by these words; an id belongs to one Envoy only.\n" +
				aboutCapabilities(o.Capabilities),
			&bootstrapv3.Bootstrap{Node: node(o)},
		},
		{
			"# Envoy's own admin interface can do everything and asks nobody who they are: keep it on loopback.\n",
			&bootstrapv3.Bootstrap{Admin: admin(adminAddress)},
		},
		{
			"# Listeners and clusters come from l4xds, over one stream. An Envoy that gets no answer for 15 s starts\n" +
				"# without them rather than never; they follow when the answer does.\n",
			&bootstrapv3.Bootstrap{DynamicResources: dynamicResources(o.Variant)},
		},
		{
			"# How to reach l4xds. The pings notice a dead connection within 35 s; the server allows one every 10 s.\n",
			&bootstrapv3.Bootstrap{StaticResources: staticResources(server)},
		},
		{
			"# Tunnels hand connections from one listener of this Envoy to another.\n",
			&bootstrapv3.Bootstrap{BootstrapExtensions: extensions()},
		},
		{
			"# The connections of all listeners together, so that a flood does not take the machine down. Each takes two\n" +
				"# file descriptors: keep the limit of open files (ulimit -n) above twice this number.\n",
			&bootstrapv3.Bootstrap{OverloadManager: overloadManager()},
		},
	}
}
