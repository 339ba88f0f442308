"""A model of training on many devices, and its comparison with runs on this one."""
