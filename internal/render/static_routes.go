package render

import (
	"fmt"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	httpconnv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/translate"
)

// withStaticRoutes is listeners with the routes of list that they name inside.
func withStaticRoutes(listeners, list []*translate.Resource) []*translate.Resource {
	routes := make(map[string]*routev3.RouteConfiguration)
	for _, r := range ofType(list, resourcev3.RouteType) {
		routes[r.Name] = r.Msg.(*routev3.RouteConfiguration)
	}
	made := make([]*translate.Resource, len(listeners))
	for i, r := range listeners {
		static := *r
		static.Msg = proto.CloneOf(r.Msg)
		for _, chain := range static.Msg.(*listenerv3.Listener).GetFilterChains() {
			for _, filter := range chain.GetFilters() {
				inlineRoutes(filter, routes)
			}
		}
		made[i] = &static
	}
	return made
}

// inlineRoutes puts routes into a filter that names them; others it leaves alone.
func inlineRoutes(filter *listenerv3.Filter, routes map[string]*routev3.RouteConfiguration) {
	config, err := filter.GetTypedConfig().UnmarshalNew()
	if err != nil {
		panic(fmt.Sprintf("render: read our own filter: %v", err))
	}
	m, ok := config.(*httpconnv3.HttpConnectionManager)
	if !ok {
		return
	}
	m.RouteSpecifier = &httpconnv3.HttpConnectionManager_RouteConfig{RouteConfig: routes[m.GetRds().GetRouteConfigName()]}
	filter.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: pack(m)}
}
