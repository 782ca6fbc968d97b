"""Image engines of the gateway, and the HTTP client they use. Imports no Django."""
