"""The systems that an environment is exported to, a module each; none is imported before it is asked for."""
