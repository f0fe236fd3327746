# shellcheck shell=sh
# Shared by the scripts that make a Debian in a folder: which mirror, and the network inside. POSIX sh; needs common.sh.

# debian_mirror: prints the mirror that this machine itself uses for Debian, whatever it is.
debian_mirror() {
    # shellcheck disable=SC2016 # apt's own placeholders
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
        grep -v security | sort -u | head -n 1)
    [ -n "$mirror" ] || die "apt knows no Debian mirror: run 'apt-get update' first"
    say "$mirror"
}

# pass_network_on ROOT: gives the Debian in ROOT the network as this machine sees it.
pass_network_on() {
    mkdir -p "$1/etc/ssl/certs" "$1/etc/apt/apt.conf.d"
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
        [ ! -f "$file" ] || cp --remove-destination -L "$file" "$1$file"
    done
    apt-config dump 2>/dev/null | grep -E '^Acquire::(Check-|Retries|http|https)' >"$1/etc/apt/apt.conf.d/99host" || true
}

# start_no_daemons ROOT: installing a package must not start its daemon in a folder, beside the machine's own.
start_no_daemons() {
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
}
