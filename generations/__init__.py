"""The Django app of klingweb: generations, their pages and the worker."""
