"""A systemctl whose state the test sees, and the installation's own program beside it."""

import subprocess

from edge.commands.setup.service_control import ServiceControl


class FakeSystemctl:
    """One unit. `commands`: what was asked to change, in order. `fails`: what a verb prints when it fails."""

    def __init__(self, folder):
        self.share = folder / "share"
        self.booted = folder
        self.commands, self.fails = [], {}
        self.known, self.enabled, self.active = True, False, False

    def control(self, service):
        return ServiceControl(service, self.share, self.booted, self.run)

    def share_service(self, exit_code, shown=""):
        self.share.mkdir(exist_ok=True)
        program = self.share / "service"
        program.write_text(f'#!/bin/sh\necho "$@" >>"$0.log"\necho "{shown}"\nexit {exit_code}\n')

    @property
    def checks(self):
        return (self.share / "service.log").read_text().splitlines()

    def run(self, command):
        program, verb, *rest = command
        assert program == "systemctl"
        answers = {
            "show": ("loaded" if self.known else "not-found", 0),
            "is-active": ("active" if self.active else "inactive", 0 if self.active else 3),
            "is-enabled": ("enabled" if self.enabled else "disabled", 0 if self.enabled else 1),
        }
        if verb in answers:
            return subprocess.CompletedProcess(command, answers[verb][1], f"{answers[verb][0]}\n", "")
        self.commands.append(" ".join([verb, *rest]))
        if verb in self.fails:
            return subprocess.CompletedProcess(command, 1, "", self.fails[verb])
        self.enabled = {"enable": True, "disable": False}.get(verb, self.enabled)
        self.active = {"restart": True, "stop": False}.get(verb, self.active)
        return subprocess.CompletedProcess(command, 0, "", "")
