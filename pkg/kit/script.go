package kit

import (
	"fmt"
	"strings"
)

// add is the part of a script that makes what is not there yet.
const add = `
# Makes something, and is content if it is there.
add() {
  said=$("$@" 2>&1) || case $said in
  *"File exists"*) ;;
  *) echo "$*: $said" >&2; exit 1 ;;
  esac
}
`

// rules are what a table of rules needs in a script: nft's, or that of iptables.
type rules struct {
	// load makes them, in the place of former ones; remove takes them away.
	load, remove string
	// localnet is a command that succeeds if a former kit has the chain of that name.
	localnet string
}

// nftRules are those of nft.
func (k *Kit) nftRules() rules {
	return rules{
		load:     "# The table takes the place of a former one at one stroke.\n" + nftCommand(k.NFT()),
		remove:   nftCommand(removeTable),
		localnet: "nft list chain inet " + Table + " localnet >/dev/null 2>&1",
	}
}

func nftCommand(text string) string { return "nft -f - <<'EOF'\n" + text + "EOF\n" }

// script is the body of a shell script that makes k.
func (k *Kit) script(r rules) string {
	var b strings.Builder
	b.WriteString("set -eu\n")
	routes := k.Routes()
	if len(routes) > 0 {
		b.WriteString(add)
	}
	why := ""
	for _, c := range routes {
		if c.Why != why {
			b.WriteString("\n# " + c.Why + "\n")
		}
		why = c.Why
		b.WriteString("add " + strings.Join(c.Add, " ") + "\n")
	}
	if k.Side != ServerSide {
		b.WriteString("\n" + k.localnetBefore(r) + r.load)
	}
	for _, s := range k.Sysctls() {
		b.WriteString("\n# " + s.Why + "\n" + s.command() + "\n")
	}
	return b.String()
}

// localnetBefore takes back the setting of a former kit before its chain goes, which closes what that opens.
func (k *Kit) localnetBefore(r rules) string {
	if k.Localnet {
		return ""
	}
	return "# Where a former kit let servers on 127.0.0.0/8 answer to addresses elsewhere, that is needed no more.\n" + r.localnetOff() + "\n"
}

func (r rules) localnetOff() string {
	return "! " + r.localnet + " || sysctl -qw " + localnetKey + "=0\n"
}

// removal is the body of a shell script that takes away what any kit has made.
func removal(r rules) string {
	return "set -eu\n\n" +
		"# Before the chain goes that closes what it opens. Leave it out if something else on this host needs the setting.\n" +
		r.localnetOff() + "\n" + r.remove + "\n" + removeRoutes()
}

// removeRoutes takes away the rules of routing and the routes.
func removeRoutes() string {
	return fmt.Sprintf(`for family in -4 -6; do
  for priority in %d %d %d; do
    while ip $family rule delete priority $priority 2>/dev/null; do :; done
  done
  ip $family route flush table %d 2>/dev/null || :
  ip $family route flush table local proto %d 2>/dev/null || :
done
`, RouteTable-2, RouteTable-1, RouteTable, RouteTable, RouteProtocol)
}

// command sets s.
func (s Sysctl) command() string { return "sysctl -qw " + s.Key + "=" + s.Value }
