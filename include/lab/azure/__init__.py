"""Azure on one machine: a resource manager that knows the SDKs' routes and models, over real PostgreSQL; and Azurite."""
