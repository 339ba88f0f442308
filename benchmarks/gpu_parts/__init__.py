"""Parts of `gpu.py`: what is made on the spot, checks, and measurements of speed."""
