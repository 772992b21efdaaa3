#!/bin/sh
# Runs once on each root disk of the store; the volume may hold a page from an earlier one.
[ -e /srv/www/index.html ] || echo "first written $(date)" >/srv/www/index.html
