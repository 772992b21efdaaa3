#!/bin/sh
# Makes the site: the web server of the image serves /srv/www.
cat /srv/greeting /srv/pages/*.txt >/srv/www/.new && mv /srv/www/.new /srv/www/index.html
echo "$(ls /srv/pages/*.txt | wc -l) pages"
