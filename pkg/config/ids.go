package config

// id names a kind of message. It is stable over versions: people search for it, and filters name it.
type id string

// The ids, by topic: files and YAML, addresses, names, values, keys without effect, groups, certificates. Each has its line in
// [Messages].
const (
	idSyntax       id = "L4X0001"
	idDuplicateKey id = "L4X0002"
	idUnknownKey   id = "L4X0003"
	idEmpty        id = "L4X0004"
	idDocument     id = "L4X0005"
	idEncoding     id = "L4X0006"
	idTooMuch      id = "L4X0007"
	idAnchor       id = "L4X0008"
	idKind         id = "L4X0009"
	idMissing      id = "L4X0010"
	idUnreadable   id = "L4X0011"
	idChanging     id = "L4X0012"
	idMounted      id = "L4X0013"
	idNoValue      id = "L4X0014"
	idVersion      id = "L4X0015"

	idPort        id = "L4X0101"
	idAddress     id = "L4X0102"
	idEndpoint    id = "L4X0103"
	idNoPort      id = "L4X0104"
	idBrackets    id = "L4X0105"
	idRange       id = "L4X0106"
	idPortTaken   id = "L4X0107"
	idNoTo        id = "L4X0108"
	idNoProtocol  id = "L4X0109"
	idUnix        id = "L4X0110"
	idHost        id = "L4X0111"
	idSameAddress id = "L4X0112"

	idName           id = "L4X0201"
	idNameTwice      id = "L4X0202"
	idUnknownBackend id = "L4X0203"
	idUnknownGroup   id = "L4X0204"
	idUnused         id = "L4X0205"
	idClusterTwice   id = "L4X0206"

	idDuration id = "L4X0301"
	idNumber   id = "L4X0302"
	idWord     id = "L4X0303"
	idBounds   id = "L4X0304"
	idText     id = "L4X0305"

	idNoEffect     id = "L4X0401"
	idBackendKey   id = "L4X0403"
	idNoWeight     id = "L4X0404"
	idUnequalSplit id = "L4X0405"
	idExclusive    id = "L4X0406"
	idUnreachable  id = "L4X0407"

	idUnknownTunnel id = "L4X0207"

	idBelieved id = "L4X0802"

	idTunnel    id = "L4X0701"
	idHalfClose id = "L4X0702"

	idTransparent id = "L4X0801"

	idEmptyGroup   id = "L4X0501"
	idMatchesNoOne id = "L4X0502"

	idFile        id = "L4X0601"
	idPEM         id = "L4X0602"
	idKey         id = "L4X0603"
	idKeyMismatch id = "L4X0604"
	idExpired     id = "L4X0605"
	idNoCA        id = "L4X0606"
	idNoName      id = "L4X0607"
	idOnEnvoy     id = "L4X0608"
	idTLSVersions id = "L4X0609"
)

// MissingID is the id of the message for a path that does not exist: the one mistake that waiting may mend.
const MissingID = string(idMissing)

// Message is a kind of message, for the reference.
type Message struct {
	ID string
	// About says what the kind of message is about, and what to do.
	About string
}

// Messages are all kinds of messages, by id.
var Messages = []Message{
	{string(idSyntax), "The text is not YAML. The column is where a person would look first: a tab, a quote or bracket that is not closed, a colon without its space, an indentation that fits no line above."},
	{string(idDuplicateKey), "A key stands twice in one map. YAML readers take one of the two, and which one differs."},
	{string(idUnknownKey), "The language has no such key here. Keys of later versions are unknown, never ignored."},
	{string(idEmpty), "There is nothing to read: an empty file, comments only, null, or no `listeners`. It would take every listener away, so that has to be written: `listeners: {}`."},
	{string(idDocument), "A second YAML document follows in the same file. It would be ignored."},
	{string(idEncoding), "A byte that does not belong into a text: not UTF-8, NUL, a control character, or a line end that only YAML takes for one."},
	{string(idTooMuch), "The file is too large, too deep, or holds more values than it shows, by way of aliases."},
	{string(idAnchor), "An alias names an anchor that does not stand above it, or that holds the alias itself."},
	{string(idKind), "A value of the wrong kind: a text, a list or a map where another of these belongs."},
	{string(idMissing), "The path does not exist, or is a link to something that does not."},
	{string(idUnreadable), "The path is there, but cannot be read: permissions, a pipe or a device, a link to itself, more than 16 MiB."},
	{string(idChanging), "The file changed each time it was read. Write it elsewhere and rename it into place."},
	{string(idMounted), "The file itself is a mount (as of a container), so that a new file in its place is not seen. Mount its directory."},
	{string(idNoValue), "A key has no value, or a key that must be there is not."},
	{string(idVersion), "`version` is not 1."},
	{string(idPort), "Not a port, or not one of 1..65535."},
	{string(idAddress), "Not an address to listen on. Host names are none: which of their addresses would be meant?"},
	{string(idEndpoint), "Not an endpoint."},
	{string(idNoPort), "An address without its port."},
	{string(idBrackets), "An IPv6 address without brackets: where would the port begin?"},
	{string(idRange), "A range of ports that runs backwards."},
	{string(idPortTaken), "Two listeners want one address on an Envoy that would be given both. `0.0.0.0` and `[::]` meet every address. The same address may stand twice where no Envoy matches the `nodes` of both."},
	{string(idNoTo), "A listener does not say where to."},
	{string(idNoProtocol), "A listener has neither `tcp` nor `udp`."},
	{string(idUnix), "A unix socket that cannot be: a path that is not absolute or too long, a wrong mode, or UDP."},
	{string(idHost), "Not a host name."},
	{string(idSameAddress), "An endpoint stands twice in one backend; give it a weight instead."},
	{string(idName), "Not a name. Names stand in statistics and in Envoy's messages, so that dots and colons are out."},
	{string(idNameTwice), "A name stands twice. Names are global over all files."},
	{string(idUnknownBackend), "No backend has this name."},
	{string(idUnknownGroup), "No group has this name."},
	{string(idUnused), "A warning: nothing refers to this backend or group."},
	{string(idClusterTwice), "A listener with a backend of its own, or a split, makes a cluster named after it; a backend, or another one, has that name."},
	{string(idUnknownTunnel), "No tunnel has this name."},
	{string(idDuration), "Not a duration. Durations have units: `30s`, `1h30m`, `250ms`. Off is `none`."},
	{string(idNumber), "Not a whole number in plain digits."},
	{string(idWord), "Not one of the words that may stand here."},
	{string(idBounds), "A number or a duration out of its range."},
	{string(idText), "A text that is not of the form that belongs here."},
	{string(idNoEffect), "The key, or its value, would have no effect here. Accepted means effective."},
	{string(idBackendKey), "A key of a backend stands on a listener whose `to` names backends; it belongs to them."},
	{string(idNoWeight), "All weights of a split are 0."},
	{string(idUnequalSplit), "A UDP split between backends that cannot be one cluster: their settings differ, or they share an endpoint."},
	{string(idExclusive), "Two keys that cannot stand side by side."},
	{string(idUnreachable), "A route that no connection comes to, or a condition that none can have: an earlier route takes all that it would, or the listener does not listen there."},
	{string(idEmptyGroup), "A group without conditions. A listener for all leaves `nodes` out."},
	{string(idMatchesNoOne), "`nodes` that no Envoy can match."},
	{string(idFile), "A file with a certificate or a key cannot be read. Paths are relative to the file that names them."},
	{string(idPEM), "A file with a certificate or a key is not PEM, does not hold what belongs there, is damaged, or was not written to its end."},
	{string(idKey), "A private key that cannot be used: encrypted, or of a kind or length that Envoy does not take."},
	{string(idKeyMismatch), "A private key is not that of the certificate. When both are replaced one after the other, this is said only if it stays so."},
	{string(idExpired), "A certificate is expired, or not valid yet. That it expires within seven days is a warning."},
	{string(idNoCA), "No certificate in a file of authorities is that of one."},
	{string(idNoName), "TLS to endpoints without host names: nothing tells whose certificate they should show."},
	{string(idOnEnvoy), "Certificate and key lie on different machines."},
	{string(idTLSVersions), "`min` is above `max`: Envoy would take it, and refuse every client."},
	{string(idTunnel), "A tunnel that cannot be: an end is missing, or it cannot carry what is to go through it."},
	{string(idHalfClose), "A warning: HTTP/1.1 cannot carry the end of one direction of a TCP connection alone."},
	{string(idTransparent), "Captured traffic, or the client's address at the servers, in a form that cannot be; or, as a warning, one that does not hold for all clients. See [transparent mode](transparent.md)."},
	{string(idBelieved), "A PROXY header would be believed of somebody who may say anything. Beside `optional` it is a warning."},
}
