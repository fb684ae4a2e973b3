package admin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/l4xds/l4xds/internal/status"
	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pages is a handler and the model behind it.
func pages(loopback bool) (http.Handler, *status.Model) {
	registry := prometheus.NewRegistry()
	model := status.New(status.Build{Version: "1.2.3"}, registry)
	return NewHandler(Options{
		Model: model, Metrics: registry, Loopback: loopback, Log: slog.New(slog.DiscardHandler),
	}), model
}

// get asks for a path as a program does, unless an Accept header is given.
func get(h http.Handler, path string, accept ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://localhost:19000"+path, nil)
	for _, a := range accept {
		r.Header.Set("Accept", a)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const browser = "text/html,application/xhtml+xml,*/*;q=0.8"

// load makes a configuration of one file.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	src := config.NewSource()
	src.Stdin(strings.NewReader(text))
	c, messages := config.Load(src, nil, "-")
	if c == nil {
		t.Fatalf("the file is not valid: %v", messages)
	}
	return c
}

// apply puts c in force.
func apply(t *testing.T, model *status.Model, c *config.Config) {
	t.Helper()
	g, err := snapshot.Build(&translate.Resources{Config: c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	model.Reloaded(status.Reload{Result: status.Applied, Began: time.Now(), Generation: g})
}

func refuse(model *status.Model) config.Diagnostic {
	d := config.Diagnostic{
		Severity: config.Error, ID: "L4X0101", Position: config.Position{File: "edge.yaml", Line: 3, Column: 10},
		Path: "listeners.db.tcp", Message: "port 70000 is outside 1..65535", Source: "    tcp: 70000", Width: 5,
	}
	model.Reloaded(status.Reload{Result: status.Invalid, Began: time.Now(), Messages: config.Diagnostics{d}})
	return d
}

const small = "listeners: {db: {tcp: 5432, to: 10.0.0.1:5432}}"

func TestHealth(t *testing.T) {
	h, model := pages(true)
	want(t, get(h, "/healthz"), http.StatusOK, "ok\n")
	want(t, get(h, "/readyz"), http.StatusServiceUnavailable, "no good configuration yet\n")
	d := refuse(model)
	want(t, get(h, "/readyz"), http.StatusServiceUnavailable, "no good configuration yet: "+d.String()+"\n")
	apply(t, model, load(t, small))
	want(t, get(h, "/readyz"), http.StatusOK, "ok\n")
}

func want(t *testing.T, w *httptest.ResponseRecorder, code int, body string) {
	t.Helper()
	if w.Code != code || w.Body.String() != body {
		t.Errorf("answer %d %q, want %d %q", w.Code, w.Body, code, body)
	}
}

func TestMetricsAreThere(t *testing.T) {
	h, _ := pages(true)
	if w := get(h, "/metrics"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "l4xds_build_info") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}

func TestFormats(t *testing.T) {
	h, model := pages(true)
	apply(t, model, load(t, small))
	tests := []struct {
		path, accept string
		code         int
		contentType  string
	}{
		{"/status", browser, 200, "text/html; charset=utf-8"},
		{"/status", "application/json", 200, "application/json"},
		{"/status", "*/*", 200, "application/json"},
		{"/status?format=json", browser, 200, "application/json"},
		{"/status?format=html", "*/*", 200, "text/html; charset=utf-8"},
		{"/status?format=xml", browser, 400, "text/plain; charset=utf-8"},
		{"/config", browser, 200, "text/html; charset=utf-8"},
		{"/config", "*/*", 200, "application/yaml; charset=utf-8"},
		{"/config?format=yaml", browser, 200, "application/yaml; charset=utf-8"},
		{"/config?format=json", "*/*", 400, "text/plain; charset=utf-8"},
		{"/style.css", "text/css", 200, "text/css; charset=utf-8"},
		{"/", browser, 303, "text/html; charset=utf-8"},
		{"/nothing", browser, 404, "text/plain; charset=utf-8"},
	}
	for _, test := range tests {
		w := get(h, test.path, test.accept)
		if got := w.Header().Get("Content-Type"); w.Code != test.code || got != test.contentType {
			t.Errorf("%s for %s: %d %s, want %d %s", test.path, test.accept, w.Code, got, test.code, test.contentType)
		}
	}
}

func TestConfigBeforeThereIsOne(t *testing.T) {
	h, _ := pages(true)
	want(t, get(h, "/config"), http.StatusServiceUnavailable, "no good configuration yet\n")
}

func TestOnlyReading(t *testing.T) {
	h, _ := pages(true)
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		for _, path := range []string{"/status", "/config", "/metrics", "/healthz", "/readyz"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, nil))
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d, want %d", method, path, w.Code, http.StatusMethodNotAllowed)
			}
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "http://localhost/status", nil))
	if w.Code != http.StatusOK {
		t.Errorf("HEAD: %d, want 200", w.Code)
	}
}

func TestNamesOfThisMachine(t *testing.T) {
	tests := []struct {
		host     string
		loopback bool
		code     int
	}{
		{"127.0.0.1:19000", true, 200},
		{"[::1]:19000", true, 200},
		{"[::1]", true, 200},
		{"localhost", true, 200},
		{"l4xds.localhost:19000", true, 200},
		{"evil.example.com:19000", true, 421},
		{"localhost.example.com", true, 421},
		{"", true, 421},
		{"l4xds.internal:19000", false, 200},
	}
	for _, test := range tests {
		h, _ := pages(test.loopback)
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		r.Host = test.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.code {
			t.Errorf("Host %q on loopback %t: %d, want %d", test.host, test.loopback, w.Code, test.code)
		}
	}
}

func TestHeaders(t *testing.T) {
	h, _ := pages(true)
	for _, path := range []string{"/status", "/nothing", "/metrics"} {
		got := get(h, path, browser).Header()
		for name, value := range headers {
			if got.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", path, name, got.Get(name), value)
			}
		}
	}
	if csp := headers["Content-Security-Policy"]; strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
		t.Errorf("the policy lets scripts run: %s", csp)
	}
}

func TestStatusPage(t *testing.T) {
	h, model := pages(true)
	tests := []struct {
		name  string
		event func()
		says  []string
	}{
		{"at the start", func() {}, []string{"No configuration is in force", "No Envoy is connected", "Attention."}},
		{"applied", func() { apply(t, model, load(t, small)) }, []string{"All is well.", "is in force."}},
		{"refused", func() { refuse(model) }, []string{
			"The files were refused as they are now.", "stays in force",
			"edge.yaml:3:10: error: listeners.db.tcp: port 70000 is outside 1..65535 [L4X0101]", "tcp: 70000", "^^^^^",
		}},
		{"connected", func() { model.Update(stream(1, "edge-1", xds.Synced)) }, []string{
			"Envoys connected: 1, 1 synced.", `<th scope="row">edge-1</th>`,
		}},
		{"not given to one", func() {
			s := stream(4, "edge-4", xds.Synced)
			s.Withheld = []snapshot.Withheld{{
				Listener: "udp/0.0.0.0:51820", Reason: "needs_delta", Places: []config.Position{{File: "edge.yaml", Line: 4, Column: 3}},
			}, {
				Listener: "tcp/0.0.0.0:15001", Reason: "needs_net_raw", Places: []config.Position{{File: "edge.yaml", Line: 9, Column: 3}},
			}}
			model.Update(s)
		}, []string{
			"Attention.", "Some Envoys are not given all that is for them.", "What Envoys are not given",
			"edge-4: <code>udp/0.0.0.0:51820</code> (<code>edge.yaml:4:3</code>). It goes through HTTP/3", "--variant delta",
			"edge-4: <code>tcp/0.0.0.0:15001</code> (<code>edge.yaml:9:3</code>). It works with addresses", "--capability net_raw",
		}},
		{"no longer", func() { model.Closed(5, "client") }, []string{"Envoys connected: 1, 1 synced."}},
		{"refused by one", func() { model.Update(refusing(2, "edge-2")) }, []string{
			"Envoys connected: 2, 1 rejected, 1 synced.", "edge-2: listeners (tcp/0.0.0.0:5432)", "cannot bind", "What it means: stop the other.",
			"<code>edge.yaml:3:5</code>", "Attention.",
		}},
		{"gone", func() { model.Closed(2, "client") }, []string{"Left within the last hour", `<th scope="row">edge-1</th>`}},
	}
	for _, test := range tests {
		test.event()
		page := get(h, "/status", browser).Body.String()
		for _, text := range test.says {
			if !strings.Contains(page, text) {
				t.Errorf("%s: the page does not say %q:\n%s", test.name, text, page)
			}
		}
	}
}

func stream(id uint64, node string, state xds.State) xds.StreamState {
	return xds.StreamState{
		Generation: 1, ID: id + 1, Node: config.Node{ID: node, Cluster: "edge"}, State: state, Variant: xds.Delta,
		Address: "10.0.0.9:4000", EnvoyVersion: "1.40.0", ConnectedAt: time.Unix(0, 0),
	}
}

// refusing is a stream with a NACK for a listener.
func refusing(id uint64, node string) xds.StreamState {
	s := stream(id, node, xds.Rejected)
	s.Types[snapshot.LDS].Nack = &xds.Nack{
		Version: "0123456789", Message: "cannot bind '0.0.0.0:5432': Address already in use", Advice: []string{"stop the other"},
		Resources: []string{"tcp/0.0.0.0:5432"}, Places: []config.Position{{File: "edge.yaml", Line: 3, Column: 5}},
	}
	return s
}

// Whatever an Envoy says of itself, and whatever it says of what it was sent, is text and nothing else.
func TestForeignTextIsEscaped(t *testing.T) {
	h, model := pages(true)
	for i, attack := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</pre><script>`, `javascript:alert(1)`, `{{.}}`,
	} {
		s := refusing(uint64(i), attack)
		s.Node.Cluster, s.Address, s.EnvoyVersion = attack, attack, attack
		s.Types[snapshot.LDS].Nack.Message = attack
		s.Types[snapshot.LDS].Nack.Resources, s.Types[snapshot.LDS].Nack.Advice = []string{attack}, []string{attack}
		model.Update(s)
	}
	page := get(h, "/status", browser).Body.String()
	for _, bad := range []string{"<script", "<img", "</pre><"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q:\n%s", bad, page)
		}
	}
}

func TestPagesOfNodes(t *testing.T) {
	h, model := pages(true)
	for i := range uint64(1200) {
		model.Update(stream(i, fmt.Sprintf("edge-%04d", i), xds.Synced))
	}
	model.Update(refusing(9999, "zzz"))
	tests := []struct {
		query, first string
		rows         int
		says, not    string
	}{
		{"", "zzz", 500, "1 to 500 of 1201", "Before these"},
		{"?page=2", "edge-0499", 500, "501 to 1000 of 1201", "None is connected"},
		{"?page=3", "edge-0999", 201, "1001 to 1201 of 1201", "After these"},
		{"?page=99", "edge-0999", 201, "1001 to 1201 of 1201", "After these"},
		{"?page=-1", "zzz", 500, "1 to 500 of 1201", "Before these"},
		{"?page=x", "zzz", 500, "1 to 500 of 1201", "Before these"},
	}
	for _, test := range tests {
		page := get(h, "/status"+test.query, browser).Body.String()
		const row = `<th scope="row">`
		_, rest, _ := strings.Cut(page, row)
		if !strings.HasPrefix(rest, test.first) || strings.Count(page, row) != test.rows {
			t.Errorf("%q: %d rows from %q, want %d from %q", test.query, strings.Count(page, row), rest[:10], test.rows, test.first)
		}
		if !strings.Contains(page, test.says) || strings.Contains(page, test.not) {
			t.Errorf("%q: want %q and not %q in the page", test.query, test.says, test.not)
		}
	}
}

func TestStatusJSON(t *testing.T) {
	h, model := pages(true)
	refuse(model)
	var got struct {
		Config struct {
			State    string
			Messages []struct{ ID, File, Message string }
		}
	}
	if err := json.Unmarshal(get(h, "/status").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Config; c.State != "invalid" || len(c.Messages) != 1 || c.Messages[0].ID != "L4X0101" || c.Messages[0].File != "edge.yaml" {
		t.Errorf("config %+v, want one message", c)
	}
}

func TestServerHasLimits(t *testing.T) {
	_, model := pages(true)
	s := NewServer(Options{Model: model, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", s)
	}
}

func TestABrokenPageIsAnError(t *testing.T) {
	h := handler{Options{Log: slog.New(slog.DiscardHandler)}}
	w := httptest.NewRecorder()
	h.render(w, "nothing.html", nil)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("answer %d, want 500", w.Code)
	}
}
