"""The cases: what they mean (kinds, sessions, readers), and what they are (topics, refusals)."""
