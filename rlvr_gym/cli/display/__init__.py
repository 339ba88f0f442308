"""Output of several commands: settings and lists as tables, and signs of life while work goes on."""
