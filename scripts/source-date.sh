# shellcheck shell=sh
# Sets SOURCE_DATE_EPOCH, the time that everything made for a release carries (reproducible-builds.org): that of the
# commit, or without git that of the newest release in CHANGELOG.md. Sourced from the root of the checkout. POSIX sh.

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) ||
        SOURCE_DATE_EPOCH=$(date -u -d "$(sed -n 's/^## \[[0-9.]*\] - \([0-9-]*\)$/\1/p' CHANGELOG.md | head -n 1)" +%s)
fi
