package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// file is the configuration that the demo begins with. Addresses in braces are filled in.
const file = `listeners:
  db:  {tcp: "{db}", to: blue, nodes: east}
  dns: {udp: "{dns}", to: blue, nodes: east}
  web:
    tcp: "{web}"
    sni: {shop.example.com: "{shop}", "*.example.org": "{blog}"}
    nodes: east
  db-west: {tcp: "{db-west}", to: {blue: 90, green: 10}, nodes: west}

backends:
  blue:  {endpoints: ["{blue}"]}
  green: {endpoints: ["{green}"]}

groups:
  east: {cluster: east}
  west: {cluster: west}
`

// stage is everything that the scenes play with.
type stage struct {
	*rig.Rig
	page    *page
	program string
	ca      *certs.Authority
	addrs   map[string]string // by the words in braces
	config  string            // what the file holds
	daemon  *rig.Daemon
	envoys  []*rig.Envoy
}

// set starts the backends, the daemon and the Envoys.
func (s *stage) set(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		s.chooseAddrs, s.startBackends, s.startDaemon, s.startEnvoys,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// chooseAddrs finds free ports. Both Envoys have their database on the same port, each on its own address.
func (s *stage) chooseAddrs(context.Context) error {
	s.addrs = map[string]string{}
	hosts := map[string]string{
		"db": east, "dns": east, "web": east, "busy": east,
		"blue": local, "green": local, "shop": local, "blog": local,
	}
	for name, host := range hosts {
		port, err := rig.Port()
		if err != nil {
			return err
		}
		s.addrs[name] = host + ":" + strconv.Itoa(port)
	}
	s.addrs["db-west"] = strings.Replace(s.addrs["db"], east, west, 1)
	return nil
}

const (
	local = "127.0.0.1" // the daemon and the backends
	east  = "127.0.0.2" // the Envoy of group east
	west  = "127.0.0.3"
)

// fill puts the addresses in.
func (s *stage) fill(text string) string {
	for name, addr := range s.addrs {
		text = strings.ReplaceAll(text, "{"+name+"}", addr)
	}
	return text
}

func (s *stage) startBackends(context.Context) error {
	var err error
	if s.ca, err = certs.NewAuthority(); err != nil {
		return err
	}
	for _, name := range []string{"blue", "green"} {
		if err := s.keep(echo.ListenTCP(name, s.addrs[name])); err != nil {
			return err
		}
		if err := s.keep(echo.ListenUDP(name, s.addrs[name])); err != nil {
			return err
		}
	}
	for name, host := range map[string]string{"shop": "shop.example.com", "blog": "blog.example.org"} {
		config, err := s.ca.Server(host)
		if err != nil {
			return err
		}
		if err := s.keep(echo.ListenTLS(name, s.addrs[name], config)); err != nil {
			return err
		}
	}
	s.page.done("backends blue and green (TCP and UDP), shop and blog (TLS)")
	return nil
}

func (s *stage) keep(server *echo.Server, err error) error {
	if err == nil {
		s.Keep(server)
	}
	return err
}

func (s *stage) startDaemon(ctx context.Context) (err error) {
	start := time.Now()
	s.config = s.fill(file)
	if s.daemon, err = s.StartDaemon(s.program, s.config); err != nil {
		return err
	}
	if err := s.daemon.WaitReady(ctx); err != nil {
		return err
	}
	s.page.done("l4xds serves %s  (%s)", s.daemon.File, since(start))
	return nil
}

func (s *stage) startEnvoys(ctx context.Context) error {
	start := time.Now()
	for _, cluster := range []string{"east", "west"} {
		envoy, err := s.StartEnvoy(rig.EnvoyOptions{ID: cluster + "-1", Cluster: cluster, Daemon: s.daemon})
		if err != nil {
			return err
		}
		s.envoys = append(s.envoys, envoy)
	}
	for _, envoy := range s.envoys {
		if err := envoy.WaitReady(ctx); err != nil {
			return err
		}
	}
	s.page.done("two Envoys: east-1 on %s, west-1 on %s  (%s)", east, west, since(start))
	return nil
}

// since is the time that has passed, as people say it.
func since(start time.Time) string {
	switch d := time.Since(start); {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// showLogs prints the end of each log, for a demo that went wrong.
func (s *stage) showLogs() {
	for _, path := range s.Logs() {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		s.page.say("%s:", filepath.Base(path))
		s.page.quote(string(text[max(0, len(text)-2000):]))
	}
}

// showHowToGoOn tells what can be tried while everything runs.
func (s *stage) showHowToGoOn() {
	s.page.gap()
	s.page.say("Everything is still running, until Ctrl-C. To try:")
	s.page.gap()
	s.page.say("  nc %s                 which backend is it?", strings.Replace(s.addrs["db"], ":", " ", 1))
	s.page.say("  $EDITOR %s", s.daemon.File)
	s.page.say("  %s validate %s", s.program, s.daemon.File)
	s.page.say("  http://%s/status       what each Envoy has", s.daemon.Admin)
	for _, envoy := range s.envoys {
		s.page.say("  http://%s             Envoy's own pages", envoy.Admin)
	}
}
