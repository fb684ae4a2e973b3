package translate

import (
	"cmp"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	setstatefilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	internalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/internal_upstream/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

// Where something is spoken inside of a tunnel, a connection takes two steps within one Envoy:
//
//	client -> listener: tcp_proxy -> cluster with PROXY and TLS -> internal listener: tcp_proxy with the tunnel -> far end
//
// The first step knows the client, the second the tunnel. The log, the idle timeout and the stanza's statistics are the first
// one's. What the second one says of the client is made in the first, and passed on as filter state.

// The filter state that is passed from the one step to the other.
const (
	clientState = "l4xds.client"
	hostState   = "l4xds.host"
	portState   = "l4xds.port"
	headerState = "l4xds.headers."

	tlvStatePrefix = "l4xds.tlvs."
	// connectionState keeps clients apart. Envoy has one pool for all that say that they have the same addresses, and sends the
	// header of the first of them for each.
	connectionState = "l4xds.connection"

	textFactory   = "envoy.string"
	hashedFactory = "envoy.hashable_string"
)

// insideHandshake is how long a target may take for its TLS handshake, once the tunnel is there.
const insideHandshake = 10 * time.Second

// insideCluster speaks with the target of r, by way of the internal listener. It has one endpoint for ever.
func insideCluster(r *config.Route) *clusterv3.Cluster {
	name := r.Inside.Cluster
	return &clusterv3.Cluster{
		Name:                          name,
		AltStatName:                   altStatName(name, nil),
		ConnectTimeout:                durationpb.New(insidePatience(r)),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		CircuitBreakers:               noBreakers(),
		ClusterDiscoveryType:          &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		TransportSocket:               insideSocket(r.Inside),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
					Address: internalAddress(insideListenerName(name)),
				}},
			}}}},
		},
	}
}

// insidePatience is how long it may take to reach the target of r. With TLS inside, a connection is there only when the target
// has answered, so that all attempts of the tunnel have to fit.
func insidePatience(r *config.Route) time.Duration {
	attempt := time.Duration(r.Via.Proxy.ConnectTimeout)
	if r.Retry != nil {
		attempt += time.Duration(cmp.Or(r.Retry.MaxBackoff, maxBackoff*r.Retry.Backoff))
	}
	return time.Duration(attempts(r.Retry).GetValue())*attempt + insideHandshake
}

// firstRetry is how the first step of r tries again: it does not where there is a second one, which does.
func firstRetry(r *config.Route) *config.Retry {
	if r.Inside != nil {
		return nil
	}
	return r.Retry
}

// insideSocket passes the filter state on, and speaks as in says.
func insideSocket(in *config.Inside) *corev3.TransportSocket {
	spoken := proxyProtocol(in.ProxyProtocol, upstreamTLS(in.Cluster, in.TLS, nil))
	return transportSocket(internalSocketName, &internalv3.InternalUpstreamTransport{TransportSocket: orRaw(spoken)})
}

func internalAddress(listener string) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: &corev3.EnvoyInternalAddress{
		AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: listener},
	}}}
}

// insideListener takes what comes from the cluster of p into the tunnel.
func insideListener(p routePlan) *listenerv3.Listener {
	name := insideListenerName(p.route.Inside.Cluster)
	return &listenerv3.Listener{
		Name:                          name,
		StatPrefix:                    statReplacer.Replace(name),
		ListenerSpecifier:             &listenerv3.Listener_InternalListener{InternalListener: &listenerv3.Listener_InternalListenerConfig{}},
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		FilterChains: []*listenerv3.FilterChain{{
			Name:    name,
			Filters: []*listenerv3.Filter{insideProxy(name, p)},
		}},
	}
}

// insideProxy takes a connection into the tunnel. It never ends one for being idle: that is for the client's side to say.
func insideProxy(name string, p routePlan) *listenerv3.Filter {
	r := p.route
	return networkFilter(tcpProxyName, &tcpproxyv3.TcpProxy{
		StatPrefix:         statReplacer.Replace(name),
		ClusterSpecifier:   &tcpproxyv3.TcpProxy_Cluster{Cluster: p.farEnds},
		IdleTimeout:        &durationpb.Duration{},
		MaxConnectAttempts: attempts(r.Retry),
		BackoffOptions:     backoff(r.Retry),
		HashPolicy:         []*typev3.HashPolicy{passedHash()},
		TunnelingConfig:    tcpTunneling(passed(r)),
	})
}

// passedHash is clientHash where the client is somebody else's.
func passedHash() *typev3.HashPolicy {
	return &typev3.HashPolicy{PolicySpecifier: &typev3.HashPolicy_FilterState_{
		FilterState: &typev3.HashPolicy_FilterState{Key: clientState},
	}}
}

// passed is the second step of r: with what was passed on in place of what depends on the client's connection.
func passed(r *config.Route) *config.Route {
	second := *r
	second.Inside = nil
	if dependent(r.Ask.Host) {
		second.Ask.Host = stateOperator(hostState)
	}
	if r.Ask.PortOperator != "" {
		second.Ask.PortOperator = stateOperator(portState)
	}
	second.Headers = nil
	for _, h := range r.Headers {
		if dependent(h.Value) {
			h.Value = stateOperator(headerState + h.Name)
		}
		second.Headers = append(second.Headers, h)
	}
	return &second
}

// dependent reports whether a text may hold an operator.
func dependent(text string) bool { return strings.Contains(text, "%") }

// stateOperator is the operator that gives a text of the filter state.
func stateOperator(key string) string { return "%FILTER_STATE(" + key + ":PLAIN)%" }

// passOn makes what is said of the client by what does not know it: a second step, and the headers that servers are sent. It is
// nil where there is nothing to say.
func passOn(p routePlan) []*listenerv3.Filter {
	values := passedInside(p.route)
	for _, t := range p.tlvs {
		values = append(values, passedValue(tlvState(t), textFactory, t.Text))
	}
	if p.apart {
		values = append(values, passedValue(connectionState, hashedFactory, "%CONNECTION_ID%"))
	}
	if len(values) == 0 {
		return nil
	}
	return []*listenerv3.Filter{networkFilter(setStateName, &setstatefilterv3.Config{OnNewConnection: values})}
}

// passedInside is what the second step of r will say of the client; nil where there is none.
func passedInside(r *config.Route) []*setstatev3.FilterStateValue {
	if r.Inside == nil {
		return nil
	}
	values := []*setstatev3.FilterStateValue{
		passedValue(clientState, hashedFactory, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
	}
	if dependent(r.Ask.Host) {
		values = append(values, passedValue(hostState, textFactory, r.Ask.Host))
	}
	if r.Ask.PortOperator != "" {
		values = append(values, passedValue(portState, textFactory, r.Ask.PortOperator))
	}
	for _, h := range r.Headers {
		if dependent(h.Value) {
			values = append(values, passedValue(headerState+h.Name, textFactory, h.Value))
		}
	}
	return values
}

func passedValue(key, factory, format string) *setstatev3.FilterStateValue {
	return &setstatev3.FilterStateValue{
		Key:                &setstatev3.FilterStateValue_ObjectKey{ObjectKey: key},
		FactoryKey:         factory,
		Value:              &setstatev3.FilterStateValue_FormatString{FormatString: inlineFormat(format)},
		SharedWithUpstream: setstatev3.FilterStateValue_ONCE,
	}
}

func inlineFormat(format string) *corev3.SubstitutionFormatString {
	return &corev3.SubstitutionFormatString{
		Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: format},
		}},
	}
}

// buildInsides makes the internal listeners of s. They are given to whom s is given.
func (s *stanzaPlan) buildInsides() error {
	for _, p := range s.routes {
		r := p.route
		if r.Inside == nil {
			continue
		}
		made := &Resource{
			Type:     listenerType,
			Name:     insideListenerName(r.Inside.Cluster),
			Origins:  []config.Place{r.At, s.stanza.At},
			Audience: s.stanza.Audience,
			Needs:    s.needs(),
			Refs:     []Ref{{Type: clusterType, Name: p.farEnds}},
		}
		if err := made.build(func() proto.Message { return insideListener(p) }); err != nil {
			return err
		}
		s.resources = append(s.resources, made)
	}
	return nil
}

// buildInside makes the cluster of c that speaks inside of a tunnel, and its secrets.
func (c *clusterPlan) buildInside() error {
	in := c.inside.Inside
	made := &Resource{Type: clusterType, Name: c.name, Origins: []config.Place{c.inside.At}}
	if err := made.build(func() proto.Message { return insideCluster(c.inside) }); err != nil {
		return err
	}
	secrets := backendSecrets(clusterOwner(c.name), in.TLS, tlsPlaces(in.TLSAt, c.inside.At))
	made.Refs = secretRefs(secrets)
	rest, err := buildSecrets(secrets)
	c.resources = append([]*Resource{made}, rest...)
	return err
}
