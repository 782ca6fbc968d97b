"""Benchmarks: figures beside their targets and conditions. They are not tests."""
