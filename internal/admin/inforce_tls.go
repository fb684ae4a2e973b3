package admin

import (
	"strconv"

	"github.com/l4xds/l4xds/pkg/config"
)

// listenerTLS is the block of a listener. Files are named; what is in them is shown nowhere.
func listenerTLS(t *config.ListenerTLS) string {
	certs := make([]string, len(t.Certs))
	for i, c := range t.Certs {
		certs[i] = certificate(c)
	}
	pairs := []string{"cert", list(certs)}
	if t.ClientCA.Path != "" {
		pairs = append(pairs, "client_ca", path(t.ClientCA), "client", string(t.Client))
	}
	pairs = append(pairs, further(t.CRL, t.Pins)...)
	pairs = append(pairs, names(t.Names, t.ALPN)...)
	return flow(append(pairs, parameters(t.Min, t.Max, t.Ciphers, t.Curves)...)...)
}

// backendTLS is the block of a backend.
func backendTLS(t *config.BackendTLS) string {
	pairs := []string{"verify", string(t.Verify)}
	if t.Verify == config.VerifyPeer {
		pairs = append(pairs, "ca", path(t.CA.File))
	}
	pairs = append(pairs, further(t.CRL, t.Pins)...)
	if t.SNI != "" {
		pairs = append(pairs, "sni", strconv.Quote(t.SNI))
	}
	if t.Cert.Chain.Path != "" {
		pairs = append(pairs, "cert", certificate(t.Cert))
	}
	pairs = append(pairs, names(t.Names, t.ALPN)...)
	return flow(append(pairs, parameters(t.Min, t.Max, t.Ciphers, t.Curves)...)...)
}

// further are the keys of what a certificate is checked by besides, if there are some.
func further(crl config.File, pins []string) []string {
	var pairs []string
	if crl.Path != "" {
		pairs = append(pairs, "crl", path(crl))
	}
	if len(pins) > 0 {
		pairs = append(pairs, "pins", list(quoted(pins)))
	}
	return pairs
}

func certificate(c config.Certificate) string { return flow("cert", path(c.Chain), "key", path(c.Key)) }

// path is a file as it is written where the daemon runs.
func path(f config.File) string {
	if f.OnEnvoy {
		return flow("on_envoy", strconv.Quote(f.Path))
	}
	return strconv.Quote(f.Path)
}

// names are the keys that hold names, if there are some.
func names(sans, protocols []string) []string {
	var pairs []string
	if len(sans) > 0 {
		pairs = append(pairs, "names", list(quoted(sans)))
	}
	if len(protocols) > 0 {
		pairs = append(pairs, "alpn", list(quoted(protocols)))
	}
	return pairs
}

// parameters are the keys of what may be agreed on.
func parameters(low, high config.TLSVersion, ciphers []config.Cipher, curves []config.Curve) []string {
	pairs := []string{"min", string(low), "max", string(high)}
	if len(ciphers) > 0 {
		pairs = append(pairs, "ciphers", list(words(ciphers)))
	}
	if len(curves) > 0 {
		pairs = append(pairs, "curves", list(words(curves)))
	}
	return pairs
}

// words are texts that stand as they are.
func words[T ~string](all []T) []string {
	made := make([]string, len(all))
	for i, w := range all {
		made[i] = string(w)
	}
	return made
}
