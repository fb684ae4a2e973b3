package kit

import (
	"fmt"
	"io"
	"strings"
)

// Format is how a kit is written.
type Format string

// The formats.
const (
	// NFTables is the table for `nft -f`, with the commands that belong to it as comments.
	NFTables Format = "nft"
	// IPTables is a shell script with iptables and ip6tables in the place of nft.
	IPTables Format = "iptables"
	// Script is a shell script that does everything.
	Script Format = "script"
	// Systemd is a unit that does it at boot, and undoes it when it is stopped.
	Systemd Format = "systemd"
)

// Formats are all formats.
func Formats() []Format { return []Format{NFTables, IPTables, Script, Systemd} }

// ErrNoTable says that the kit of the server's side is no table of rules.
var ErrNoTable = fmt.Errorf("a server needs routes and no %s or %s rules: take the format %s or %s", NFTables, IPTables, Script, Systemd)

// Write writes what makes k; what that puts in the place of what a former kit made is done at one stroke.
func (k *Kit) Write(w io.Writer, f Format) error {
	table := f == NFTables || f == IPTables
	if table && k.Side == ServerSide {
		return ErrNoTable
	}
	var text string
	switch f {
	case NFTables:
		text = k.nftFile()
	case IPTables:
		text = shebang + k.header() + k.script(k.iptablesRules())
	case Script:
		text = shebang + k.header() + k.script(k.nftRules())
	case Systemd:
		text = k.unit()
	}
	_, err := io.WriteString(w, text)
	return err
}

// WriteRemoval writes what takes away what a kit has made, whatever was in it.
func WriteRemoval(w io.Writer, f Format) error {
	var text string
	switch f {
	case NFTables:
		text = removalNFTFile()
	case IPTables:
		text = shebang + "# " + removalWhy + "\n" + removal(removeAll.iptablesRules())
	case Script:
		text = shebang + "# " + removalWhy + "\n" + removal(removeAll.nftRules())
	case Systemd:
		text = removeUnit
	}
	_, err := io.WriteString(w, text)
	return err
}

const shebang = "#!/bin/sh\n"

// removeAll stands for all kits: what it makes is nothing.
var removeAll = &Kit{}

const removalWhy = "Takes away what l4xds kit has made on this host, whatever was in it. Run it as root."

// header says what the kit is for, in lines of a comment.
func (k *Kit) header() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "# "+format+"\n", args...) }
	switch {
	case k.Empty():
		line("Printed by l4xds kit. No listener of this node needs anything of the kernel.")
	case k.Side == ServerSide:
		line("Printed by l4xds kit, for the servers of %s: they see the clients' addresses, and their answers must", sentence(k.Listeners))
		line("go back by Envoy's host. All from these ports do, those to clients that ask the server directly, too: for them Envoy's")
		line("host must forward, and where they come in by another interface, rp_filter must not be 1 there.")
	default:
		line("Printed by l4xds kit, for %s.", sentence(k.Listeners))
	}
	if len(k.NetRaw) > 0 {
		line("The Envoy needs CAP_NET_RAW or CAP_NET_ADMIN for %s.", sentence(k.NetRaw))
	}
	return b.String()
}

// sentence is a list of names within a sentence.
func sentence(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// nftFile is the table with what belongs to it as comments.
func (k *Kit) nftFile() string {
	var b strings.Builder
	b.WriteString(k.header())
	b.WriteString("# Load it with nft -f, as often as you like: it takes the place of the former one at one stroke.\n")
	if routes := k.Routes(); len(routes) > 0 {
		b.WriteString("#\n# Beside it, once (--format script does it all):\n")
		for _, c := range routes {
			b.WriteString("#   " + strings.Join(c.Add, " ") + "\n")
		}
	}
	for _, s := range k.Sysctls() {
		b.WriteString("#   " + s.command() + "\n")
	}
	return b.String() + "\n" + k.NFT()
}

// removalNFTFile takes the table away, with the other commands as comments.
func removalNFTFile() string {
	var b strings.Builder
	b.WriteString("# Takes away the table that l4xds kit has made. What it made beside it goes with these commands:\n")
	b.WriteString("#   sysctl -qw " + localnetKey + "=0  # first, and only if the table has a chain localnet\n")
	for line := range strings.Lines(removeRoutes()) {
		b.WriteString("#   " + line)
	}
	return b.String() + "\n" + removeTable
}
