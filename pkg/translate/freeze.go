//go:build !l4xds_thaw

package translate

// freezeHTTP3 is whether the clusters of HTTP/3 never change under their names. The test that shows Envoy crash without
// that builds l4xds with the other value.
const freezeHTTP3 = true
