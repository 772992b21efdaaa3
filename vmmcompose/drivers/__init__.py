"""Drivers: one folder each, with pure `argv.py`/`config.py`, a thin protocol client and `driver.py`."""
