"""The demonstration: a console, a gateway, a link that fails, a centre, and proof that all arrived."""
