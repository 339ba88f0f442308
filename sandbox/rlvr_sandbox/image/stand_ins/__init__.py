"""Stand-ins for the other side's classes and objects, and the rules on what they may be asked."""
