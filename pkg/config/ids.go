package config

// id names a kind of message. It is stable over versions: people search for it, and filters name it.
type id string

// The ids, grouped by topic. Each has its line in [Messages].
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
	idOneProtocol  id = "L4X0402"
	idBackendKey   id = "L4X0403"
	idNoWeight     id = "L4X0404"
	idUnequalSplit id = "L4X0405"
	idExclusive    id = "L4X0406"

	idEmptyGroup   id = "L4X0501"
	idMatchesNoOne id = "L4X0502"
)

// MissingID is the id of the message for a path that does not exist: the one mistake that waiting may mend.
const MissingID = string(idMissing)
