"""Gateway simulator for the demo and for tests: a Kling reseller over real HTTP, without charges.

It imports nothing from the rest of the project, and nothing there imports it.
"""
