# shellcheck shell=sh
# Shared by the scripts beside it, which source it from the root of the checkout. POSIX sh.

export PIP_DISABLE_PIP_VERSION_CHECK=1
# A user's site-packages must not stand in for what an environment lacks.
export PYTHONNOUSERSITE=1

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Nobody should sit in front of a silent terminal for longer than fifteen seconds.
REPORT_SECONDS=10

# still_running WHAT COMMAND...: runs a command that prints nothing, and reports on standard error that it still runs.
still_running() {
    # sh has no local variables: names that no script has.
    running_what=$1
    shift
    # In the background a shell ignores Ctrl-C, so it asks whether the script is still there. Descriptor 9 is a lock of
    # the installation, which must end with the script. A session of its own, so that its `sleep` ends with it.
    # shellcheck disable=SC2016 # expanded by the inner shell
    setsid sh -c '
        seconds=0
        while sleep "$3" 3>&- && kill -0 "$1"; do
            seconds=$((seconds + $3))
            printf "  %s (%s s so far)\n" "$2" "$seconds" >&3
        done
    ' reporter $$ "$running_what" "$REPORT_SECONDS" 3>&2 >/dev/null 2>&1 9>&- &
    running_reporter=$!
    running_status=0
    "$@" || running_status=$?
    # Not TERM: in a shell that has just forked, the trap of the script would take it. Both, because it may not have its
    # session yet.
    kill -KILL "-$running_reporter" 2>/dev/null || kill -KILL "$running_reporter" 2>/dev/null || true
    wait "$running_reporter" 2>/dev/null || true
    return $running_status
}

# Debian keeps daemons in sbin, which is not on everyone's PATH.
has_command() { PATH="$PATH:/usr/local/sbin:/usr/sbin" command -v "$1" >/dev/null 2>&1; }

# python_in_range PYTHON FIRST LAST: whether it is CPython 3.FIRST to 3.LAST and starts at all
# (a version manager's shim exists without its Python).
python_in_range() {
    "$1" -c "import sys; sys.exit(not (3, $2) <= sys.version_info[:2] <= (3, $3))" >/dev/null 2>&1
}

# find_python FIRST LAST: prints the Python to build an environment with; the distribution's own first.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        python_in_range "$PYTHON" "$1" "$2" && printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.11 python3.12 python3.13; do
        if python_in_range "$candidate" "$1" "$2"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# die_of_python LAST [FIRST]: says which Python is needed, and what is there.
die_of_python() {
    there=$("${PYTHON:-python3}" -V 2>/dev/null) && there="is $there" || there="does not start"
    die "Python 3.${2:-11} to 3.$1 is needed, and ${PYTHON:-python3} $there"
}

# can_make_env PYTHON: Debian ships Python without what `venv` needs, in the package python3-venv.
can_make_env() { "$1" -c "import ensurepip, venv" 2>/dev/null; }

# wheel_platforms MACHINE: prints pip's options for wheels that run there. Debian 12 has glibc 2.36; wheels name the oldest
# that they run with.
wheel_platforms() {
    for glibc in 2_35 2_34 2_31 2_28 2_27 2_24 2_17; do printf '%s ' --platform "manylinux_${glibc}_$1"; done
    say "--platform manylinux2014_$1"
}

# apt_install WHY PACKAGE...: installs without asking where that is allowed, else says what to type.
apt_install() {
    why=$1
    shift
    command -v apt-get >/dev/null 2>&1 || die "$why: install the equivalent of Debian's $* and try again"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        die "$why: type 'sudo apt-get install $*' and try again"
    fi
    say "$why: installing $* with apt"
    # A fresh machine may have no package lists yet, or stale ones. $as_root is one or no command.
    if ! { still_running "apt updates its lists" $as_root apt-get -qq update &&
        still_running "apt downloads and installs" $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq -o Dpkg::Use-Pty=0 --no-install-recommends install "$@"; } </dev/null >/dev/null; then
        die "$why: 'apt-get install $*' failed, see above"
    fi
}

# The last CPython 3.x that tflite-runtime has wheels for.
LAST_WITH_TFLITE_RUNTIME=11

# is_arm32 PYTHON: whether it is a 32-bit Python on Arm, whatever the kernel is.
is_arm32() {
    case $(uname -m) in
    arm* | aarch64) [ "$("$1" -c 'import struct; print(struct.calcsize("P"))')" = 4 ] ;;
    *) return 1 ;;
    esac
}

# lanes: prints the environments that `make test` runs here, the one with the whole suite last.
lanes() {
    first=$(find_python 11 13) || die_of_python 13
    if find_python 11 "$LAST_WITH_TFLITE_RUNTIME" >/dev/null; then
        say tflite
    fi
    # Neither ai-edge-litert nor TensorFlow has a wheel for 32-bit Arm.
    if ! is_arm32 "$first"; then
        say litert
    fi
}

# devices_folder: prints where emulated devices are kept from run to run.
devices_folder() { say "${EMOTION_EDGE_DEVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/emotion-edge/devices}"; }
