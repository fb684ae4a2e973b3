package config

import "time"

// Duration is a time span as the file writes it: "30s", "1h30m", "250ms". 0 means none.
type Duration time.Duration
