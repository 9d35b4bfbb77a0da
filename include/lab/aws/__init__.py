"""AWS on one machine: moto as the control plane, mended by an overlay, and a real PostgreSQL behind every RDS instance."""
