"""Image engines of the gateway, and the HTTP client they use. No Django here."""
