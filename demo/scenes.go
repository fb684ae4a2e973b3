package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// traffic: TCP, UDP and TLS by name, through both Envoys.
func (s *stage) traffic(ctx context.Context) error {
	s.page.say("The file that both follow:")
	s.page.quote(s.config)
	if err := s.tcp(ctx, "db", "blue"); err != nil {
		return err
	}
	if err := s.udp(ctx, "dns", "blue"); err != nil {
		return err
	}
	if err := s.tls(ctx, "shop.example.com", "shop"); err != nil {
		return err
	}
	if err := s.tls(ctx, "blog.example.org", "blog"); err != nil {
		return err
	}
	return s.tcp(ctx, "db-west", "")
}

// liveEdit: what is new goes to green, what is open stays on blue.
func (s *stage) liveEdit(ctx context.Context) error {
	open, err := echo.Dial(ctx, s.addrs["db"])
	if err != nil {
		return err
	}
	defer func() { _ = open.Close() }()
	s.page.done("a client connects to db and stays: %s", open.Backend)

	if err := s.edit("to: blue, nodes: east", "to: green, nodes: east"); err != nil {
		return err
	}
	saved, err := s.save()
	if err != nil {
		return err
	}
	if err := s.reach(ctx, "db", "green"); err != nil {
		return err
	}
	s.page.done("new TCP connections reach green %s after the save", since(saved))
	if err := s.reachUDP(ctx, "dns", "green"); err != nil {
		return err
	}
	s.page.done("new UDP sessions reach green %s after the save", since(saved))
	if err := open.Ask("still there?"); err != nil {
		return fmt.Errorf("the open connection: %w", err)
	}
	s.page.done("the open connection still speaks with %s", open.Backend)
	return nil
}

// weights: a canary becomes the main thing.
func (s *stage) weights(ctx context.Context) error {
	s.page.say("A hundred connections to db-west:")
	if err := s.share(ctx, 10); err != nil {
		return err
	}
	if err := s.edit("{blue: 90, green: 10}", "{blue: 10, green: 90}"); err != nil {
		return err
	}
	saved, err := s.apply(ctx)
	if err != nil {
		return err
	}
	s.page.done("west-1 has it %s after the save", since(saved))
	s.page.say("A hundred more:")
	return s.share(ctx, 90)
}

// mistake: an edit that cannot be right changes nothing.
func (s *stage) mistake(ctx context.Context) error {
	good := s.config
	s.page.say("Somebody mistypes a name:")
	if err := s.edit("to: green, nodes: east}\n  dns", "to: gren, nodes: east}\n  dns"); err != nil {
		return err
	}
	if _, err := s.save(); err != nil {
		return err
	}
	if err := s.daemon.WaitStatus(ctx, invalid); err != nil {
		return err
	}
	s.page.say("The daemon says, as `l4xds validate` does:")
	validate := exec.CommandContext(ctx, s.program, "validate", filepath.Base(s.daemon.File))
	validate.Dir = filepath.Dir(s.daemon.File)
	complaint, err := validate.CombinedOutput()
	if err == nil {
		return errors.New("validate finds nothing wrong")
	}
	s.page.quote(string(complaint))
	if err := s.tcp(ctx, "db", "green"); err != nil {
		return err
	}
	s.page.done("nothing has changed for the Envoys")
	return s.takeBack(ctx, good)
}

// portTaken: Envoy refuses one listener; the daemon says which line of the file it came from.
func (s *stage) portTaken(ctx context.Context) error {
	held, err := net.Listen("tcp", s.addrs["busy"])
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }()
	s.page.say("Another program listens on %s. Now the file asks for it too:", s.addrs["busy"])
	good := s.config
	if err := s.edit("  web:\n", s.fill("  busy: {tcp: \"{busy}\", to: blue, nodes: east}\n  web:\n")); err != nil {
		return err
	}
	if _, err := s.save(); err != nil {
		return err
	}
	var nack *rig.Nack
	if err := s.daemon.WaitStatus(ctx, func(status *rig.Status) (err error) {
		nack, err = refusal(status)
		return err
	}); err != nil {
		return err
	}
	place := nack.Places[0]
	line := strings.Split(s.config, "\n")[place.Line-1]
	if !strings.Contains(line, "busy") {
		return fmt.Errorf("the refusal is traced to line %d: %s", place.Line, line)
	}
	s.page.say("Envoy refuses that listener, and /status says which line it came from:")
	s.page.quote(fmt.Sprintf("%s:%d:%d\n%s\n\n%s",
		filepath.Base(place.File), place.Line, place.Column, line, strings.TrimSpace(nack.Message)))
	if err := s.tcp(ctx, "db", "green"); err != nil {
		return err
	}
	s.page.done("everything else goes on")
	return s.takeBack(ctx, good)
}

// metrics: what Prometheus would see of all this.
func (s *stage) metrics(ctx context.Context) error {
	text, err := s.daemon.Metrics(ctx)
	if err != nil {
		return err
	}
	var lines []string
	for _, want := range []string{
		`l4xds_config_reloads_total{result="applied"} `,
		`l4xds_config_reloads_total{result="invalid"} 1`,
		`l4xds_xds_nodes{state="synced"} 2`,
		`l4xds_xds_nacks_total{type="lds"} `,
	} {
		line := lineWith(text, want)
		if line == "" || strings.HasSuffix(line, " 0") {
			return fmt.Errorf("/metrics lacks %q", want)
		}
		lines = append(lines, line)
	}
	s.page.quote(strings.Join(lines, "\n"))
	s.page.done("http://%s/metrics", s.daemon.Admin)
	return nil
}

// lineWith is the first line that starts so, empty if there is none.
func lineWith(text, start string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, start) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// invalid wants that the daemon has refused the file.
func invalid(status *rig.Status) error {
	if status.Config.State != "invalid" {
		return fmt.Errorf("the configuration is %s", status.Config.State)
	}
	return nil
}

// refusal is the first refused listener of any Envoy, with at least one place in the file.
func refusal(status *rig.Status) (*rig.Nack, error) {
	for _, node := range status.Nodes {
		if nack := node.Types["lds"].Nacked; nack != nil && len(nack.Places) > 0 {
			return nack, nil
		}
	}
	return nil, errors.New("no Envoy has refused anything")
}
