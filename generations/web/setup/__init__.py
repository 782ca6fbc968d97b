"""The set-up page of the first start, and the same form for an owner after the demo."""
