"""Scripts that make everything in `targets/embedded` again from published packages."""
