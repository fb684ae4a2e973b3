package kit

import (
	"errors"
	"io"
)

// Format is how a kit is written.
type Format string

// The formats.
const (
	NFTables Format = "nft"
	IPTables Format = "iptables"
	Script   Format = "script"
	Systemd  Format = "systemd"
)

// Formats are all formats.
func Formats() []Format { return []Format{NFTables, IPTables, Script, Systemd} }

// Write writes what makes the kit, or with remove what takes it away.
func (k *Kit) Write(io.Writer, Format, bool) error { return errors.New("not yet") }
