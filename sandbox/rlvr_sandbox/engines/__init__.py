"""Docker engines: reaching one, saying whose a container is, making the image."""
