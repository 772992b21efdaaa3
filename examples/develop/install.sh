#!/bin/sh
echo "installed" >/srv/greeting
