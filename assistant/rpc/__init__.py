"""Generic JSON-RPC 2.0 over newline-delimited JSON. Knows nothing of what the methods mean."""
