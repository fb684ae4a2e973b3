package translate_test

import (
	"io/fs"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// withoutEffect are the fields of the model that no resource is made from, and why.
var withoutEffect = map[string]string{
	"Listener.At":          "a place is about the file; it stands beside the resource",
	"Bind.At":              "as above",
	"Route.At":             "as above",
	"Part.At":              "as above",
	"Backend.At":           "as above",
	"Backend.EndpointsAt":  "as above",
	"Endpoint.At":          "as above",
	"Tunnel.At":            "as above",
	"Listener.TLSAt":       "as above",
	"Backend.TLSAt":        "as above",
	"Inside.TLSAt":         "as above",
	"Transparent.Ports":    "it is for the rules of the kernel, of package kit",
	"Transparent.From":     "as above",
	"Certificate.NotAfter": "it is for the metrics",
	"ListenerTLS.Key":      "it is moved to the certificate",
	"BackendTLS.Key":       "as above",
}

// maxTries is how often a field is changed before it counts as one without effect.
const maxTries = 300

// TestEveryFieldHasAnEffect changes each field of the model, wherever the examples have it, and wants some resource to
// change at least once: a field that nothing reads would be accepted and ignored.
func TestEveryFieldHasAnEffect(t *testing.T) {
	effect, tries := map[string]bool{}, map[string]int{}
	for _, path := range examples(t) {
		c := loadExample(t, path)
		before := contents(t, withoutPlaces(mustTranslate(t, c, nil)))
		for _, l := range c.Listeners {
			changeEach(reflect.ValueOf(l).Elem(), "", func(field string) {
				if tries[field]++; tries[field] <= maxTries {
					effect[field] = effect[field] || changed(t, c, before)
				}
			})
		}
	}
	for _, field := range fieldsOf(reflect.TypeFor[config.Listener](), map[reflect.Type]bool{}) {
		seen, tried := effect[field]
		_, excused := withoutEffect[field]
		switch {
		case !tried:
			t.Errorf("%s: no example has it", field)
		case seen == excused:
			t.Errorf("%s: some resource changes with it: %t", field, seen)
		}
	}
}

// changed reports whether c, altered since, makes other resources. To be refused is an effect too.
func changed(t *testing.T, c *config.Config, before []string) bool {
	t.Helper()
	after, err := translate.Translate(c, nil)
	return err != nil || !slices.Equal(before, contents(t, withoutPlaces(after)))
}

// withoutPlaces is r without what it says of the file.
func withoutPlaces(r *translate.Resources) *translate.Resources {
	bare := &translate.Resources{}
	for _, res := range r.List {
		b := *res
		b.Origins = nil
		bare.List = append(bare.List, &b)
	}
	return bare
}

// changeEach sets each field of the struct v, and of those below it, to another value, calls try with its name, and sets
// it back.
func changeEach(v reflect.Value, field string, try func(field string)) {
	if field == "" { // an element of a list, or what a pointer leads to: its fields are meant
	} else if other := otherValue(v); other.IsValid() {
		was := reflect.ValueOf(v.Interface())
		v.Set(other)
		try(field)
		v.Set(was)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			changeEach(v.Elem(), "", try)
		}
	case reflect.Slice:
		for i := range v.Len() {
			changeEach(v.Index(i), "", try)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				changeEach(v.Field(i), v.Type().Name()+"."+f.Name, try)
			}
		}
	default:
	}
}

// otherValue is a value of v's type that is not v; the zero Value where there is none to try.
func otherValue(v reflect.Value) reflect.Value {
	switch x := v.Interface().(type) {
	case config.Place:
		x.Line++
		return reflect.ValueOf(x)
	case config.Size:
		return reflect.ValueOf(x + 1)
	case config.Duration:
		return reflect.ValueOf(x + config.Duration(time.Second))
	case config.Balance:
		return reflect.ValueOf(map[bool]config.Balance{true: config.Random, false: config.Maglev}[x == config.Maglev])
	case config.Propagated:
		return reflect.ValueOf(map[bool]config.Propagated{true: config.PropagateTrailers, false: config.PropagateHeaders}[x == config.PropagateHeaders])
	case []config.Transport:
		if len(x) == 1 {
			return reflect.ValueOf([]config.Transport{map[bool]config.Transport{true: config.TransportPlain, false: config.TransportTLS}[x[0] == config.TransportTLS]})
		}
		return reflect.Value{}
	case config.ProxyMode:
		return reflect.ValueOf(map[bool]config.ProxyMode{true: config.ProxyOptional, false: config.ProxyRequire}[x == config.ProxyRequire])
	case []config.ProxyVersion: // of a listener, none for both
		return reflect.ValueOf([]config.ProxyVersion{map[bool]config.ProxyVersion{true: config.ProxyV2, false: config.ProxyV1}[len(x) > 0 && x[0] == config.ProxyV1]})
	case config.Method:
		return reflect.ValueOf(map[bool]config.Method{true: config.Connect, false: config.Post}[x == config.Post])
	case config.Protocol:
		return reflect.ValueOf(map[bool]config.Protocol{true: config.UDP, false: config.TCP}[x == config.TCP])
	case netip.Addr:
		if x.IsValid() {
			return reflect.ValueOf(x.Next())
		}
		return reflect.Value{}
	case fs.FileMode:
		if x != 0 { // else the address is no unix socket
			return reflect.ValueOf(x ^ 0o200)
		}
		return reflect.Value{}
	case map[string]string:
		return reflect.ValueOf(map[string]string{"other": "value"})
	case *config.Tunnel:
		if x == nil {
			return reflect.Value{}
		}
		other := *x
		other.Method = otherValue(reflect.ValueOf(x.Method)).Interface().(config.Method)
		return reflect.ValueOf(&other)
	case *config.Exit:
		if x == nil {
			return reflect.Value{}
		}
		other := *x
		other.Targets = []config.Allowed{{Host: "other.example", Port: 1, Last: 1}}
		return reflect.ValueOf(&other)
	case *config.Backend:
		return reflect.ValueOf(&config.Backend{Name: "other", Balance: config.Random})
	}
	switch v.Kind() {
	case reflect.Bool:
		return reflect.ValueOf(!v.Bool())
	case reflect.String:
		return reflect.ValueOf(v.String() + "x").Convert(v.Type())
	case reflect.Int, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		other := reflect.New(v.Type()).Elem()
		other.Set(v)
		if other.CanInt() {
			other.SetInt(v.Int() + 1)
		} else {
			other.SetUint(v.Uint() + 1)
		}
		return other
	case reflect.Pointer:
		if !v.IsNil() {
			return reflect.Zero(v.Type())
		}
	case reflect.Slice:
		if v.Len() > 1 {
			return v.Slice(0, v.Len()-1)
		}
	default:
	}
	return reflect.Value{}
}

// fieldsOf are the names of the fields of t and of the structs below it that hold a value of their own.
func fieldsOf(t reflect.Type, seen map[reflect.Type]bool) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] || !strings.HasSuffix(t.PkgPath(), "/pkg/config") || t == reflect.TypeFor[config.Place]() {
		return nil
	}
	seen[t] = true
	var fields []string
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		below := fieldsOf(f.Type, seen)
		if f.Type.Kind() != reflect.Struct || f.Type == reflect.TypeFor[config.Place]() {
			fields = append(fields, t.Name()+"."+f.Name)
		}
		fields = append(fields, below...)
	}
	return fields
}
