"""Questions of the sciences."""
