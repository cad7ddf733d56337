# Checks requirements before anything else, and says how to install what is missing. Sourced by demo, setup and test.

require() { # command, how to get it
    command -v "$1" >/dev/null && return
    printf 'error: %s is missing\nhint: %s\n' "$1" "$2" >&2
    exit 2
}

require_python() {
    require python3 "install Python 3.8 or newer with pip: sudo apt-get install python3-pip, sudo dnf install python3-pip, or python.org"
}

require_rust() {
    require cargo "install Rust 1.90 or newer: https://rustup.rs"
    require cc "install a C compiler: sudo apt-get install build-essential, sudo dnf install gcc, or xcode-select --install"
}
