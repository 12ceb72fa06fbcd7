"""The gateway link: one outbound TLS connection from a site to its hub, and all that rides on it."""
