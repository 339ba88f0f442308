"""On-policy distillation: its settings, and what becomes of a step's samples."""
