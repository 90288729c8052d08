#!/bin/sh
# Install the browser that a test opens the explorer in, where it is missing: through apt, as root
# or with sudo. Without one that test is skipped.
set -eu
. "${0%/*}/apt.sh"
packages="chromium chromium-driver"

complete() { # a browser by one of its names, and what drives it
    command -v chromedriver >/dev/null || return 1
    for name in chromium chromium-browser google-chrome; do
        ! command -v $name >/dev/null || return 0
    done
    return 1
}

complete && exit
install $packages && complete && exit
echo "set-up: the test that opens the explorer in a browser is skipped, since none could be" \
    "installed here; on Debian, install the packages $packages." >&2
exit 2
