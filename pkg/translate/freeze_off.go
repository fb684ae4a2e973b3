//go:build l4xds_thaw

package translate

// freezeHTTP3 is off, for a test: see the other file. Envoys crash by it.
const freezeHTTP3 = false
