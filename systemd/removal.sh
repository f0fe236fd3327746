# shellcheck shell=sh
# What a removal takes away, said once for systemd/install and for the Debian package, into whose scripts it is copied:
# they run when the package's files are gone. POSIX sh; uses nothing but `say`.

# discard PATH...: removes each, goes on where one cannot be removed, and remembers in `left` what stays. What somebody
# has mounted below a path, or put elsewhere and linked, is not this project's.
left='' lost=no
discard() {
    for path in "$@"; do
        linked=''
        [ ! -L "$path" ] || linked=$(readlink -f "$path" || true)
        problem=$(LC_ALL=C rm -rf --one-file-system "$path" 2>&1) || true
        if [ ! -e "$path" ] && [ ! -L "$path" ]; then
            [ -z "$linked" ] || [ -z "$(ls -A "$linked" 2>/dev/null)" ] || stays "$linked, to which $path pointed"
        elif mountpoint -q "$path" && [ -z "$(ls -A "$path")" ]; then
            left="$left
  - $path is a mount point, and empty now: unmount it, then type 'rmdir $path'"
        else
            stays "$path ($(say "$problem" | head -n 1))"
        fi
    done
}

stays() {
    lost=yes
    left="$left
  - $1"
}

# remove_program: the environments, and the rights to LEDs (light.sh writes them).
remove_program() {
    for file in /etc/udev/rules.d/60-emotion-edge*-light.rules /etc/systemd/system/emotion-edge*.service.d/light.conf; do
        [ ! -e "$file" ] || rm -f "$file" || stays "$file"
    done
    for folder in /etc/systemd/system/emotion-edge*.service.d; do rmdir "$folder" 2>/dev/null || true; done
    discard /opt/emotion-edge
}

# remove_kept: what a removal keeps and a purge does not: configuration, drop-ins, passwords, state.
remove_kept() {
    discard /etc/emotion-edge
    # DynamicUser keeps the state below private; the name in /var/lib is a link to it.
    for path in /etc/systemd/system/emotion-edge.service.d /etc/systemd/system/emotion-edge@*.service.d \
        /etc/credstore/emotion-edge.* /etc/credstore/emotion-edge-*.* \
        /var/lib/private/emotion-edge /var/lib/private/emotion-edge-* /var/lib/emotion-edge /var/lib/emotion-edge-*; do
        # A pattern that nothing matches is itself.
        [ ! -e "$path" ] && [ ! -L "$path" ] || discard "$path"
    done
    rm -rf /run/emotion-edge /run/emotion-edge-* 2>/dev/null || true
    # That instances start with the system.
    rm -f /etc/systemd/system/*.wants/emotion-edge@*.service
    # On Bookworm the installation has made the folder; later systems have it by themselves.
    grep -qs /etc/credstore /usr/lib/tmpfiles.d/*.conf || rmdir /etc/credstore 2>/dev/null || true
}
