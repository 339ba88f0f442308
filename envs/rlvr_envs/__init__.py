"""The bundled environments, one module each; importing this package registers them."""
