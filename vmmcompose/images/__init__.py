"""Kernels and root filesystems: fetched, imported, built, and put into the store as a whole."""
