"""The parts of scripts/release: what a release holds, its licences, the Debian package, and the test in an empty system."""
