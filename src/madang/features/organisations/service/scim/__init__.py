"""SCIM 2.0 (RFC 7643, RFC 7644): another system tells an organisation who its people are, and in which groups."""
