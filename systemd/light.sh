# shellcheck shell=sh
# Lets the service switch the LED that the configuration names ([indicator] led); `install` sources this. POSIX sh.
#
# The service's user may write nothing below /sys, and its unit shows it /sys read-only (ProtectKernelTunables=). So a
# udev rule gives the group of cameras, which the service has, the LED's brightness, and a drop-in of the unit opens the
# LED's folder for writing. Nothing else of /sys becomes writable.
#
# Uses of as-service.sh: SERVICE, CONFIG, DROP_INS, `scratch`, as_service, shown.

name_light_files() { LIGHT_RULE=/etc/udev/rules.d/60-$SERVICE-light.rules LIGHT_DROP_IN=$DROP_INS/light.conf; }

# set_up_light: writes both files for the LED that is configured, or removes them where none is. Sets `light` to its name.
set_up_light() {
    light='' light_command="emotion-edge service light${INSTANCE:+ $INSTANCE}"
    name_light_files
    # Most have none: then nothing has to be started to find out. A drop-in may set a variable.
    grep -qis indicator "$CONFIG" "${LIGHT_DROP_IN%/*}"/*.conf || {
        remove_light
        return 0
    }
    # A configuration that cannot be used is reported by the checks that follow.
    as_service config show >"$scratch/shown" || return 0
    light=$(shown indicator led)
    if [ -z "$light" ]; then
        remove_light
        return
    fi
    # The schema lets only these through already. Looked at again, because what follows is executed as root.
    case $light in *[!A-Za-z0-9:_.,@+-]*) die "indicator.led is '$light', but must be a name in /sys/class/leds" ;; esac
    mkdir -p "${LIGHT_RULE%/*}" "${LIGHT_DROP_IN%/*}"
    {
        say "# For [indicator] led = \"$light\", written by the installation; after a change: $light_command"
        say "ACTION!=\"remove\", SUBSYSTEM==\"leds\", KERNEL==\"$light\", RUN+=\"/bin/chgrp video /sys%p/brightness\", RUN+=\"/bin/chmod g+w /sys%p/brightness\""
    } >"$LIGHT_RULE.new"
    mv "$LIGHT_RULE.new" "$LIGHT_RULE"
    {
        say "# For [indicator] led = \"$light\", written by the installation; after a change: $light_command"
        say "[Service]"
        say "ReadWritePaths=-/sys/class/leds/$light"
        # A camera in the middle of a long read is closed by the end of the process, after which that can switch nothing.
        # After a crash the light stays on, and so it does where another program holds it (edge/system/led.py).
        file=/sys/class/leds/$light/brightness
        say "ExecStopPost=-/bin/sh -c 'test \"\$\$SERVICE_RESULT\" != success || flock -nx $file sh -c \"echo 0 >$file\"'"
    } >"$LIGHT_DROP_IN.new"
    mv "$LIGHT_DROP_IN.new" "$LIGHT_DROP_IN"
    apply_light
    # Where udev does not run, as in a container, the rule waits for the next start of the machine.
    if [ -e "/sys/class/leds/$light/brightness" ]; then
        chgrp video "/sys/class/leds/$light/brightness" && chmod g+w "/sys/class/leds/$light/brightness" ||
            say "note  the rights of /sys/class/leds/$light/brightness cannot be changed here"
    fi
}

remove_light() {
    name_light_files
    [ -e "$LIGHT_RULE" ] || [ -e "$LIGHT_DROP_IN" ] || return 0
    rm -f "$LIGHT_RULE" "$LIGHT_DROP_IN"
    rmdir "${LIGHT_DROP_IN%/*}" 2>/dev/null || true
    apply_light
}

apply_light() {
    ! booted || systemctl daemon-reload
    # Where udev does not run there is nothing to tell.
    ! command -v udevadm >/dev/null 2>&1 || udevadm control --reload 2>/dev/null || true
}
