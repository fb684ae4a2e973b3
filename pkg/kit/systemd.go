package kit

import "strings"

// unitHead is the unit up to its script. It begins before the network does, so that nothing goes past Envoy, and behind what
// may take away what it makes.
const unitHead = `# Put it into /etc/systemd/system/l4xds-kit.service, then: systemctl daemon-reload; systemctl enable --now l4xds-kit
# A new one in its place: systemctl daemon-reload; systemctl reload l4xds-kit

[Unit]
Description=Kernel rules beside Envoy, printed by l4xds kit
DefaultDependencies=no
# Before the network is up, so that nothing goes past Envoy.
Wants=network-pre.target
Before=network-pre.target
# Behind what may flush all tables, and again when it does.
After=systemd-sysctl.service nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -s start
ExecReload=/bin/sh -s start
ExecStop=/bin/sh -s stop
# The script that these read.
StandardInput=data
`

const unitTail = `
[Install]
WantedBy=sysinit.target nftables.service
`

// removeUnit takes the unit away.
const removeUnit = shebang + `# Takes away the unit that l4xds kit has printed, which takes away what it has made.
set -eu
systemctl disable --now l4xds-kit.service
rm -f /etc/systemd/system/l4xds-kit.service
systemctl daemon-reload
`

// unit is a systemd unit that makes k and takes it away.
func (k *Kit) unit() string {
	script := "case $1 in\nstart)\n" + k.script(k.nftRules()) + ";;\nstop)\n" + removal(k.nftRules()) + ";;\nesac\n"
	var b strings.Builder
	b.WriteString(k.header() + unitHead)
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" {
			line = "#" // an empty text would be that of a unit without any
		}
		b.WriteString("StandardInputText=" + escapeUnit.Replace(line) + "\n")
	}
	b.WriteString(unitTail)
	return b.String()
}

// escapeUnit keeps systemd from reading more into a text than there is.
var escapeUnit = strings.NewReplacer(`\`, `\\`, "%", "%%")
