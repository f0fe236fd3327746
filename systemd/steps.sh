# shellcheck shell=sh
# The steps of an installation, which systemd/install and the Debian package share: an environment, the check of the new
# version as the service, the switch, and the way back. Both source it, after common.sh and as-service.sh. POSIX sh.
#
# A caller sets `new`, the environment to make, and `units`, the folder of the new version's units. It defines
#   place_units      puts the units of the new version in force
#   put_units_back   puts those of the version before in force again
#   start_service    starts $SERVICE, or restarts it; fails where it does not run then

OPT=/opt/emotion-edge
CURRENT=$OPT/current
LOCK=/run/emotion-edge-install.lock

# A second one beside this would remove the version that this one makes.
lock_installation() {
    exec 9>"$LOCK"
    flock --nonblock 9 || die "another installation of emotion-edge runs: wait until it has ended, then try again"
}

# name_version VERSION: sets `new` to the folder of its environment, and `old` to the one in use, or to nothing, and
# `version` for the report. In an image the folder has the time that everything in it has.
name_version() {
    version=$1
    new=$OPT/versions/$1-$(date -u ${SOURCE_DATE_EPOCH:+--date "@$SOURCE_DATE_EPOCH"} +%Y%m%dT%H%M%SZ)
    # Two runs within a second: the second one's folder must not be that of the version in use, which a failure removes.
    while [ -e "$new" ]; do new=$new.1; done
    old=$(readlink "$CURRENT" 2>/dev/null || true)
    [ -z "$old" ] || [ -x "$old/bin/emotion-edge" ] || old=''
}

# point_at VERSION: switches the version in use in one step.
point_at() {
    ln -sfn "$1" "$CURRENT.new"
    mv -T "$CURRENT.new" "$CURRENT"
}

# Until the new version is in force, every end, a failure as well as Ctrl-C, leaves what ran before.
in_force=no stopped=''
begin_installation() {
    as_service_begin
    trap end_installation EXIT
    trap 'exit 130' HUP INT TERM
    mkdir -p "$OPT/versions"
    # An environment has 255 MB on arm64 and up to 348 MB on amd64; pip unpacks the largest wheel beside it.
    case $(uname -m) in aarch64) needed_mb=320 ;; *) needed_mb=420 ;; esac
    free_mb=$(df -Pm "$OPT" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge $needed_mb ] || give_up "$OPT has $free_mb MB free, and an environment needs $needed_mb MB"
}

end_installation() {
    if [ $in_force = no ]; then
        if [ -n "$old" ] && [ "$(readlink "$CURRENT")" != "$old" ]; then
            point_at "$old"
            put_units_back
            ! booted || systemctl daemon-reload
        fi
        rm -rf "$new"
        select_service
        [ -n "$old" ] || remove_light
        # Where nothing was installed before, nothing stays.
        rmdir "$OPT/versions" "$OPT" 2>/dev/null || true
        for one in $stopped; do systemctl restart --no-block "$one" || true; done
    fi
    as_service_end
}

# A caller may say in `way_out` what to type then.
way_out=''
give_up() {
    [ -z "$old" ] || die "$1; ${old##*/} stays in force$way_out"
    die "$1; nothing was installed"
}

# pip ARGUMENT...: the new environment's own; $prefix is one or no command.
pip() {
    # shellcheck disable=SC2086
    still_running "pip installs" \
        $prefix "$new/bin/python" -m pip install -qq --no-input --root-user-action=ignore "$@"
}

# find_site PYTHON: sets `site` to the option with which an environment sees apt's picamera2, or to nothing without it.
find_site() {
    site=''
    ! "$1" -c "import picamera2" 2>/dev/null || site=--system-site-packages
}

# make_environment PYTHON SITE PREFIX: makes it at `new`. SITE: --system-site-packages or nothing; PREFIX: linux32 or
# nothing.
make_environment() {
    prefix=$3
    # $2 is one or no option.
    # shellcheck disable=SC2086
    still_running "python makes the environment" "$1" -m venv $2 "$new" ||
        give_up "making the environment failed, see above"
    [ -z "$prefix" ] || pip --upgrade "pip>=24.1" || give_up "pip could not be brought up to date, see above"
}

# install_from_wheels FOLDER [OPTION...]: installs the program into `new` from the wheels in FOLDER and nothing else, with
# what the page, a stronger detector and the notice need, so that a key is all that it takes.
install_from_wheels() {
    wheel_folder=$1
    shift
    pip --isolated --no-index --find-links "$wheel_folder" "$@" "emotion-edge[preview,mtcnn,notice]" ||
        give_up "the wheels in $wheel_folder are not enough, see above"
}

# add_service_program FILE...: puts the files of what checks the service into `new` (`emotion-edge service`), and the units.
add_service_program() {
    share=$new/share/emotion-edge
    mkdir -p "$share/units"
    cp "$@" "$share"
    cp "$units/emotion-edge.service" "$units/emotion-edge@.service" "$share/units"
}

make_credstore() { [ -d "$CREDSTORE" ] || mkdir -m 700 "$CREDSTORE"; }

# check_new_version: runs the new version as the service, first beside the one that runs: that one stops only for what
# cannot be shared. So for each service that runs or is enabled. Sets `healthy`; gives up where a version is in force.
check_new_version() {
    program=$new/bin/emotion-edge healthy=yes
    for one in $(services); do
        select_service "$one"
        say
        say "Checking every part as the service $SERVICE:"
        set_up_light
        if fails_already; then
            excused="$excused $SERVICE"
            say "note  $SERVICE fails already, so that it does not hold this version up"
            continue
        fi
        if is_running; then
            check_beside
        else
            # One that is about to start, or to be started again, would take the camera.
            case $(booted && systemctl show --value -p ActiveState $SERVICE) in activating) stop_service ;; esac
            as_service doctor || healthy=no
            [ $healthy = yes ] || [ -z "$old" ] || give_up "the new version fails above"
        fi
    done
    say
    select_service
}

# Whether the service fails with the version before, over and over: its fault is not the new version's.
excused=''
fails_already() {
    booted && [ -n "$old" ] || return 1
    case $(systemctl show --value -p SubState "$SERVICE") in failed | auto-restart*) ;; *) return 1 ;; esac
}

check_beside() {
    as_service config check >"$scratch/check" || {
        cat "$scratch/check"
        give_up "the new version cannot use the configuration, see above; the service goes on as it is"
    }
    find_held
    # One option and its value, or nothing.
    # shellcheck disable=SC2086
    as_service doctor ${held:+--skip $held} || give_up "the new version fails above; the service goes on as it is"
    [ -n "$held" ] || return 0
    stop_service
    as_service doctor --only "$held" || give_up "the new version fails above"
}

# To be started again at the end, whatever comes of it.
stop_service() {
    stopped="$stopped $SERVICE"
    systemctl stop $SERVICE
}

# put_in_force: switches to the new version and starts it; goes back where it does not start. Sets `started`.
put_in_force() {
    [ -n "$old" ] || in_force=yes
    stopped=$(services)
    point_at "$new"
    place_units
    started=yes
    if booted; then
        systemctl daemon-reload
        for one in $(services); do
            select_service "$one"
            say "Starting $SERVICE with this version"
            still_running "$SERVICE starts" start_service || {
                case " $excused " in *" $SERVICE "*) continue ;; esac
                started=no
                [ -n "$old" ] || continue
                systemctl stop $SERVICE || true
                give_up "the new version of $SERVICE does not start (journalctl -u $SERVICE shows why)"
            }
        done
        select_service
    fi
    in_force=yes
    for other in "$OPT"/versions/*; do
        [ "$other" = "$new" ] || [ "$other" = "$old" ] || rm -rf "$other"
    done
}

# services: prints the names of the services to check and to start: the single one, unless somebody has switched it off,
# and each instance that runs or is enabled.
services() {
    if ! booted; then
        say emotion-edge
        return
    fi
    [ -n "$old" ] && ! wanted emotion-edge || say emotion-edge
    # In a list a unit that has failed has a mark before its name, which --plain leaves out.
    for one in $(systemctl list-units --all --full --plain --no-legend 'emotion-edge@*.service' | awk '{ print $1 }'); do
        ! wanted "${one%.service}" || say "${one%.service}"
    done
}

# wanted SERVICE: whether it runs, or starts with the system.
wanted() {
    case $(systemctl show --value -p ActiveState "$1") in active | reloading | activating) return 0 ;; esac
    systemctl is-enabled --quiet "$1" 2>/dev/null
}

# report_start: says what came of it, and what to do next; to be called after put_in_force.
report_start() {
    say "emotion-edge $version is installed."
    if ! booted; then
        say "systemd does not run here; the service starts with the system."
    elif ! wanted $SERVICE; then
        say "The service is switched off, and stays so. To start it: sudo systemctl enable --now $SERVICE"
    elif [ $started = yes ] && ! is_running; then
        say "The service was not started, because this system does not allow it now. To start it: sudo systemctl start $SERVICE"
    elif [ $started = yes ]; then
        say "The service runs: systemctl status $SERVICE; sudo journalctl -u $SERVICE -f"
    else
        say "The service does not run yet (sudo journalctl -u $SERVICE shows why). It is tried again every few seconds."
    fi
    [ $healthy = yes ] || say "Repair what is named above (FAIL, or $CONFIG itself); then: sudo systemctl restart $SERVICE"
}
