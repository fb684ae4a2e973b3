// Package admin is what the daemon says of itself over HTTP: health, metrics, the status of the fleet and the
// configuration in force, as pages for people and as JSON or text for programs.
//
//	internal/status (one read model) -> admin -> browsers, Prometheus, probes
//
// It only reads. Node ids and the texts of Envoys are written by others, so nothing of them reaches a page unescaped,
// and no page runs a script.
package admin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/l4xds/l4xds/internal/status"
)

// The limits of the HTTP server: its clients are probes, Prometheus and people.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10

	scrapeTimeout = 10 * time.Second
	maxScrapes    = 4 // at a time
)

// Options are what the pages are made from.
type Options struct {
	Model *status.Model
	// Metrics are what /metrics shows.
	Metrics prometheus.Gatherer
	// Loopback says that the address is reachable from this machine only. Then requests for a name that is not that of
	// this machine are refused: they come from a page that somebody lured a browser here to read.
	Loopback bool
	Log      *slog.Logger
}

// NewServer is the HTTP server of the admin address. It listens to nothing yet.
func NewServer(o Options) *http.Server {
	return &http.Server{
		Handler:           NewHandler(o),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
}

// NewHandler answers the paths of the admin address. Anything but GET and HEAD is refused.
func NewHandler(o Options) http.Handler {
	h := handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
	}))
	mux.HandleFunc("GET /status", h.status)
	mux.HandleFunc("GET /config", h.config)
	mux.HandleFunc("GET /style.css", style)
	mux.Handle("GET /{$}", http.RedirectHandler("/status", http.StatusSeeOther))
	return guard(mux, o.Loopback)
}

type handler struct{ Options }

// healthz says whether the process is alive and its reload loop ticking.
func (h handler) healthz(w http.ResponseWriter, _ *http.Request) { answer(w, h.Model.Alive()) }

// readyz says whether a good configuration is in force.
func (h handler) readyz(w http.ResponseWriter, _ *http.Request) { answer(w, h.Model.Ready()) }

// answer is "ok", or what is wrong.
func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}

// status shows how the last reload went and how every Envoy stands to it.
func (h handler) status(w http.ResponseWriter, r *http.Request) {
	switch format := wanted(r, "json"); format {
	case "html":
		h.render(w, "status.html", newStatusPage(h.Model.Report(), r.URL.Query()))
	case "json":
		h.sendJSON(w, h.Model.Report())
	default:
		unknownFormat(w, format, "html, json")
	}
}

// config shows the configuration in force.
func (h handler) config(w http.ResponseWriter, r *http.Request) {
	c := h.Model.InForce()
	format := wanted(r, "yaml")
	switch {
	case format != "html" && format != "yaml":
		unknownFormat(w, format, "html, yaml")
	case c == nil:
		answer(w, h.Model.Ready())
	case format == "html":
		h.render(w, "config.html", configPage{Report: h.Model.Report(), Text: inForce(c)})
	default:
		w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
		fmt.Fprint(w, inForce(c))
	}
}

// wanted is the format that the client asks for: by name, else HTML for browsers and the given one for programs.
func wanted(r *http.Request, program string) string {
	if format := r.URL.Query().Get("format"); format != "" {
		return format
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		return "html"
	}
	return program
}

func unknownFormat(w http.ResponseWriter, format, known string) {
	http.Error(w, fmt.Sprintf("unknown format %q; known: %s", format, known), http.StatusBadRequest)
}

func (h handler) sendJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		h.Log.Debug("status was not sent", "error", err) // the client went away
	}
}
