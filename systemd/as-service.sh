# shellcheck shell=sh
# Runs the program as the service runs it; `install` sources this. POSIX sh.
#
# What root may read, the service's user may not, and its unit forbids more. So the check is a unit of its own, made of
# the [Service] sections of the service's unit and of the drop-ins beside it: what they say cannot drift apart. It has
# the same user (User= in the unit), so it may run beside the service and share its state folder.
#
# Uses of its caller: `program`, the command, and `units`, the folder of the units.

CHECK=emotion-edge-check
CREDSTORE=/etc/credstore
CHECK_UNIT=/run/systemd/system/$CHECK.service
# A line that the program never prints.
END=end-of-$CHECK-$$
scratch='' reader=''

# select_service [SERVICE]: which service is meant from here on: the single one, or an instance, emotion-edge@NAME. Sets
# SERVICE, INSTANCE, CONFIG, DROP_INS, and `unit`, the name of its unit's file.
select_service() {
    SERVICE=${1:-emotion-edge} INSTANCE='' CONFIG=/etc/emotion-edge/config.toml unit=emotion-edge.service
    case $SERVICE in
    emotion-edge@*)
        INSTANCE=${SERVICE#emotion-edge@} CONFIG=/etc/emotion-edge/${SERVICE#emotion-edge@}.toml
        unit=emotion-edge@.service
        ;;
    esac
    DROP_INS=/etc/systemd/system/$SERVICE.service.d
}
select_service

# Whether systemd runs this system (sd_booted(3)); in a chroot systemctl ignores most commands.
booted() { [ -d /run/systemd/system ]; }

# stop_services: stops the single service and each instance.
stop_services() {
    ! booted || systemctl stop --quiet emotion-edge.service 'emotion-edge@*.service' 2>/dev/null || true
}

# Where the output and what is put back is kept; to be called before as_service.
as_service_begin() { scratch=$(mktemp -d); }

# Leaves nothing of the checks behind, whatever became of them.
as_service_end() {
    [ -z "$reader" ] || kill "$reader" 2>/dev/null || true
    if [ -e $CHECK_UNIT ]; then
        systemctl stop --quiet $CHECK 2>/dev/null || true
        systemctl reset-failed --quiet $CHECK 2>/dev/null || true
        rm -f $CHECK_UNIT
        systemctl daemon-reload || true
    fi
    [ -z "$scratch" ] || rm -rf "$scratch"
}

# as_service ARGUMENT...: runs `emotion-edge ARGUMENT... --config FILE` as the service; returns its exit code.
as_service() {
    if ! booted; then
        without_systemd "$@"
        return
    fi
    check_unit "$@" >$CHECK_UNIT
    systemctl daemon-reload
    [ -p "$scratch/output" ] || mkfifo "$scratch/output"
    # Open for both ends, so that neither waits for the other, and the last line cannot be missed.
    exec 3<>"$scratch/output"
    print_until_end <&3 3<&- &
    reader=$!
    code=0
    still_running "the check of $SERVICE runs" start_check || code=1
    printf '%s\n' "$END" >&3
    wait "$reader" || true
    reader=''
    exec 3<&-
    if [ $code -ne 0 ]; then
        result=$(systemctl show --value -p Result $CHECK) code=$(systemctl show --value -p ExecMainStatus $CHECK)
        systemctl reset-failed --quiet $CHECK || true
        # 1 and 2 are the program's own, and its output says why.
        case $result:$code in
        exit-code:[12]) ;;
        *)
            cat "$scratch/problem" >&2
            say "FAIL  as the service: systemd reports '$result', exit status $code (journalctl -u $CHECK shows more)"
            code=1
            ;;
        esac
    fi
    return "$code"
}

# Without dependencies: on a device without a network it would wait for one.
start_check() { systemctl start --job-mode=ignore-dependencies $CHECK 2>"$scratch/problem" 3<&-; }

# Prints what it reads up to the last line.
print_until_end() {
    while IFS= read -r line; do
        case $line in
        *"$END")
            [ "$line" = "$END" ] || say "${line%"$END"}"
            break
            ;;
        *) say "$line" ;;
        esac
    done
}

# check_unit ARGUMENT...: prints the unit of a check.
check_unit() {
    say "[Unit]"
    say "Description=Check of $SERVICE"
    say "StartLimitIntervalSec=0"
    service_section "$units/$unit"
    # In systemd's order: by name, and of two files of one name that in /etc counts, and that of an instance before that
    # of all instances.
    for name in $(drop_in_names | LC_ALL=C sort -u); do
        for folder in $(drop_in_folders); do
            file=$folder/$name
            [ -e "$file" ] || continue
            service_section "$file"
            break
        done
    done
    # What is the service's life, and not what it may do.
    say "[Service]"
    say "Type=oneshot"
    say "Restart=no"
    say "WatchdogSec=0"
    # Opening a camera and timing the model take seconds; an emulated board needs minutes.
    say "TimeoutStartSec=600"
    for key in ExecStartPre ExecStart ExecStartPost ExecReload ExecStop ExecStopPost ExecCondition; do say "$key="; done
    say "ExecStart=$program $* --config $CONFIG"
    say "StandardInput=null"
    say "StandardOutput=file:$scratch/output"
    say "StandardError=inherit"
}

# Prints the names of the service's drop-ins. They hold no blanks: systemctl edit makes override.conf.
drop_in_names() {
    for folder in $(drop_in_folders); do
        for file in "$folder"/*.conf; do
            [ ! -e "$file" ] || say "${file##*/}"
        done
    done
}

drop_in_folders() {
    for folder in /etc /run /usr/local/lib /usr/lib; do say "$folder/systemd/system/$SERVICE.service.d"; done
    [ -n "$INSTANCE" ] || return 0
    for folder in /etc /run /usr/local/lib /usr/lib; do say "$folder/systemd/system/emotion-edge@.service.d"; done
}

# Prints the [Service] sections of a unit; the rest, such as OnFailure=, is not for a check. What systemd replaces by the
# instance's name is replaced here: the check is no instance.
service_section() {
    say
    awk '/^\[/ { wanted = ($0 ~ /^\[Service\]/) } wanted' "$1" | sed "s/%i/$INSTANCE/g"
}

# Where systemd does not run, as while an image is made: another user, and no other restriction of the unit.
without_systemd() {
    say "note  systemd does not run here: checked as the user nobody, without the other limits of the unit"
    mkdir -p "$scratch/credentials" "$scratch/state"
    # As in LoadCredential= of the units.
    for credential in mqtt-password preview-token; do
        keep_credential "emotion-edge${INSTANCE:+-$INSTANCE}.$credential" $credential
        [ -z "$INSTANCE" ] || keep_credential "emotion-edge.$credential" shared-$credential
    done
    chmod 711 "$scratch"
    chown -R nobody "$scratch/credentials" "$scratch/state"
    CREDENTIALS_DIRECTORY=$scratch/credentials STATE_DIRECTORY=$scratch/state \
        setpriv --reuid nobody --regid nogroup --groups video --no-new-privs "$program" "$@" --config "$CONFIG"
}

keep_credential() { [ ! -e "$CREDSTORE/$1" ] || cp "$CREDSTORE/$1" "$scratch/credentials/$2"; }

# Whether the service runs, and may have a camera that it must not lose.
is_running() {
    booted || return 1
    case $(systemctl show --value -p ActiveState $SERVICE) in active | reloading) ;; *) return 1 ;; esac
}

# find_held: sets `held` to the checks whose part the running service has open, separated by a comma. A camera serves
# one program at a time, and so does a port. What the configuration names and the service does not have, another
# camera or a stream, is not among them: it can be tried beside the service.
find_held() {
    held=''
    pid=$(systemctl show --value -p MainPID $SERVICE)
    # Where the configuration cannot be used, a check says so. It is printed even where its password cannot be read.
    as_service config show >"$scratch/shown" || grep -q '^\[source\]' "$scratch/shown" || return 0
    opened=$(ls -l "/proc/$pid/fd" 2>/dev/null) || return 0
    for device in $("$program" cameras --device-of "$(shown source uri)" 2>/dev/null); do
        ! say "$opened" | grep -q -e "-> $device\$" || held=source
    done
    case "$(shown preview enabled) $(shown preview probes)" in
    *true*) ! listens_on "$(shown preview port)" || held=${held:+$held,}page ;;
    esac
}

# shown TABLE KEY: prints a value of the configuration, without quotation marks.
shown() { sed -n "/^\[$1\]\$/,/^\[[a-z]*\]\$/s/^$2 = \"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$scratch/shown"; }

# listens_on PORT: whether the process $pid with the open files $opened listens on a TCP port.
listens_on() {
    # Column 4 is the state, 0A for a socket that listens; column 10 is its number (proc_net_tcp in Linux's docs).
    for inode in $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port="$(printf ':%04X' "$1")\$" '$4 == "0A" && $2 ~ port { print $10 }'); do
        case $opened in *"socket:[$inode]"*) return 0 ;; esac
    done
    return 1
}
