"""Planted faults: what goes wrong with backups in real life, done to the lab for real, and taken back again."""
