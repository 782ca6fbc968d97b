"""What is specific to one image API: paths, validation, errors and response formats."""
