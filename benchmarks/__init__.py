"""How fast networks are trained, beside what a user would pick instead."""
