package hostcheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// envoyNode is what an Envoy says of itself.
type envoyNode struct {
	ID       string         `json:"id"`
	Cluster  string         `json:"cluster"`
	Metadata map[string]any `json:"metadata"`
}

// askNode asks the admin interface of an Envoy who it is.
func askNode(ctx context.Context, address string) (*envoyNode, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/server_info", nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/server_info: %s", response.Status)
	}
	const enough = 1 << 20
	body, err := io.ReadAll(io.LimitReader(response.Body, enough))
	if err != nil {
		return nil, err
	}
	return parseNode(body)
}

// parseNode reads an answer of /server_info.
func parseNode(body []byte) (*envoyNode, error) {
	var answer struct {
		Node *envoyNode `json:"node"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("/server_info: %w", err)
	}
	if answer.Node == nil {
		return nil, fmt.Errorf("/server_info names no node: that is no Envoy")
	}
	return answer.Node, nil
}

// capabilities are those that n declares: below l4xds in its metadata, as `l4xds bootstrap` writes them, or in one text.
func (n *envoyNode) capabilities() []config.Capability {
	outer, inner, _ := strings.Cut(config.CapabilitiesKey, ".")
	ours, _ := n.Metadata[outer].(map[string]any)
	var texts []string
	for _, value := range []any{ours[inner], n.Metadata[config.CapabilitiesKey]} {
		switch v := value.(type) {
		case string:
			texts = append(texts, v)
		case []any:
			for _, entry := range v {
				texts = append(texts, fmt.Sprint(entry))
			}
		}
	}
	return config.ParseCapabilities(texts...)
}

// cause is the innermost of an error, without the address that was asked.
func cause(err error) string {
	if op, is := errors.AsType[*net.OpError](err); is {
		return op.Err.Error()
	}
	return err.Error()
}
