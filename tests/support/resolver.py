"""A resolver for tests: answers as glibc does, without a network."""

import os
import socket
from collections.abc import Callable

import pytest

_REAL = socket.getaddrinfo


class Resolver:
    """Answers for the names in `answers`: an address, or an error code of getaddrinfo; all others as usual."""

    def __init__(self, answers: dict[str, str | int]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def getaddrinfo(self, host: str, *arguments: object, **options: object) -> object:
        self.asked.append(host)
        answer = self.answers.get(host, host)
        if isinstance(answer, int):
            raise socket.gaierror(answer, gai_strerror(answer))
        return _REAL(answer, *arguments, **options)  # type: ignore[arg-type]


def gai_strerror(code: int) -> str:
    """Return glibc's text for an error code of getaddrinfo."""
    known = {
        socket.EAI_AGAIN: "Temporary failure in name resolution",
        socket.EAI_NONAME: "Name or service not known",
        socket.EAI_NODATA: "No address associated with hostname",
        socket.EAI_FAIL: "Non-recoverable failure in name resolution",
    }
    return known.get(code) or os.strerror(abs(code))


def install(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str | int]) -> Resolver:
    """Have the process resolve names with the resolver that is returned."""
    resolver = Resolver(answers)
    replacement: Callable[..., object] = resolver.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", replacement)
    return resolver
