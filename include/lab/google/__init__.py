"""Google Cloud on one machine: a control plane served from Google's own discovery documents, real PostgreSQL behind it."""
