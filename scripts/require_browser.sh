# Finds Node and Chromium for what drives the page; sourced behind require.sh. It sets CHROMIUM.

require node "install Node 20 or newer: sudo apt-get install nodejs npm, or nodejs.org"
require npm "install it with Node: sudo apt-get install npm, or nodejs.org"

find_chromium() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -n "$name" ] && command -v "$name" && return
    done
}

if ! find_chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null
fi
CHROMIUM="$(find_chromium)" || require chromium "install Chromium: sudo apt-get install chromium, or set CHROMIUM to a browser like it"
export CHROMIUM
