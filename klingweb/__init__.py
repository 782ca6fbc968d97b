"""Klingweb: the wiring of the house, and the simulator of the other end of the wire."""
