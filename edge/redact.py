"""Removes credentials from text that is shown: in messages, in the log, in MQTT payloads.

Cameras and brokers carry them in front of the host, in the query, and in the path: `/user=admin&password=...`,
`/user=admin_password=..._channel=1`, `;token=...`, any of it percent-encoded, also twice. Too much is removed rather
than too little.
"""

import re
from itertools import pairwise
from typing import Final
from urllib.parse import quote, unquote

_PLACEHOLDER: Final = "***"
_SHORTEST_PASSWORD: Final = 6  # shorter text in the place of a port is a mistyped port rather than a password
_MAX_DECODINGS: Final = 8  # each needs three more characters for one; an address that needs more is shown as ***

_LONG_WORDS: Final = (
    r"passw(?:or)?d|passphrase|passcode|passwort|kennwort|contrasena|senha|mot[_-]?de[_-]?passe|pwd|token|secret|"
    r"signature|credentials?|session(?:[_-]?id)?|api[_-]?key|access[_-]?key|bearer|jwt|authori[sz]ation|loginpas|"
    r"loginuse|user(?:name|id)?|login|account|nonce"
)
"""Words for a secret, or for a user's name, that are one wherever they end a key: `mqttPassword`, `x-api-key`."""
_SHORT_WORDS: Final = r"usr|usn|pass|pas|psw|psk|pw|pin|auth|key|code|sig|sign|hash|sid|otp|u|p"
"""Words that are one only as a whole key or behind a letter's end: `codec`, `design` and `spin` are none."""
_SECRET: Final = re.compile(
    rf"(?:(?i:{_LONG_WORDS})|(?<![A-Za-z])(?i:{_SHORT_WORDS})|(?<=[a-z])(?:Pass|Pwd|Key|Pin|Auth|Code|Sig))"
    r"""[\d\[\])"'_-]*\s*[=:]"""
)
"""A word for a secret with the sign that a value follows."""
_SECRET_SEGMENT: Final = re.compile(
    rf"(?<=/)(?:[\w.-]*(?:{_LONG_WORDS})|(?:[\w.-]*[_.-])?(?:{_SHORT_WORDS}))\d*/|(?:password|passwd|pwd)[_.~-]",
    re.IGNORECASE,
)
"""A word for a secret as a segment of a path, whose value is the next one, or with another sign in between."""
_NEXT_KEY: Final = re.compile(rf"[&_;,](?=(?:{_LONG_WORDS}|{_SHORT_WORDS})=)", re.IGNORECASE)
_HARMLESS_KEY: Final = (
    r"(?:channel|chn?|chid|cam(?:era)?(?:id)?|(?:real_?|sub_?|main_?)?stream(?:id|type|ing)?|subtype|type|profile|inst|"
    r"video|audio|res(?:olution)?|size|width|height|fps|(?:frame)?rate|quality|codec|compression|proto(?:col)?|transport|"
    r"unicast|multicast|format|track(?:id)?|linkmode)"
)
_HARMLESS_VALUE: Final = (
    r"(?:\d{1,5}(?:x\d{1,5})?|h\.?26[45]|tcp|udp|http|main|sub|yes|no|true|false|m?jpe?g)(?:\.(?:sdp|cgi|mp4))?"
)
_HARMLESS_SEGMENT: Final = (
    r"(?:(?:(?:ch(?:annels?)?|cam(?:era)?|(?:main|sub|real)?_?stream(?:ing)?|live|main|sub|video|media|h\.?26[45]|mpeg4|"
    r"mjpe?g|onvif|profile|snapshot|image|av|track)[_-]?\d{0,3}_?){1,3}|\d{1,3})?"
    r"(?:\.(?:sdp|cgi|mp4|m?jpe?g|amp|ts|m3u8))?"
)
_HARMLESS_ITEM: Final = re.compile(rf"{_HARMLESS_KEY}=(?:{_HARMLESS_VALUE})|real_?stream|tcp|udp", re.IGNORECASE)
_HARMLESS_REST: Final = re.compile(
    rf"(?:[&_;,]{_HARMLESS_KEY}=(?:{_HARMLESS_VALUE})|/(?:{_HARMLESS_SEGMENT}))*/?[\s.,;:!)\]}}>'\"]*$", re.IGNORECASE
)
"""What may stand behind a value until the end of a path. Everything else belongs to the value: passwords may hold `&`,
`_`, `/` and `=`."""
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,23}")
_OTHER_KEY: Final = re.compile(rf"(?<=[/&;,])(?!{_HARMLESS_KEY}=)[^/&;,=:*]+[=:](?!\*\*\*)", re.IGNORECASE)
"""Any other key in a path, as in a query: words for a secret exist in every language."""
_TOKEN_RUN: Final = re.compile(r"[A-Za-z0-9]{16,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|eyJ[\w.-]{12,}")
_MIN_TOKEN_CHANGES: Final = 3
"""Changes between letters and digits from which a long run is a random token, as in UniFi's `/9fKx0RbT4mZq7LwA`:
names that people give have one or two (`h264Preview01main`)."""

_SENTENCE_ENDS: Final = ",.;:!?)]}"
_URI: Final = re.compile(r"""([A-Za-z][A-Za-z0-9+.-]*):/{1,2}(?=[^/\s'"])((?:[^\s'"]|['"](?=[\w%&=@/?#;:+-]))+)""")
"""A URI in a text. A quotation mark ends it, unless a character follows that belongs to a URI."""


def redacted(uri: str) -> str:
    """Return a URI with `***` in place of user name, password and every other secret.

    Hidden are: what stands in front of the host's `@`; each value in query and fragment, but for known harmless keys
    such as `channel=1`; in the path, what follows a word for a secret; and long random tokens. A password may hold an
    unescaped `/`, `?`, `#` or `@`, and a mistyped URI is shown as well. Percent-encoding hides nothing: where the
    decoded URI shows more secrets, that one is returned, redacted.
    """
    once = _redacted_uri(uri)
    plain = _decoded(once)
    if plain is None:
        return _PLACEHOLDER
    twice = _redacted_uri(plain)
    return once if twice == plain else "".join(char if char.isprintable() else quote(char) for char in twice)


def _decoded(text: str) -> str | None:
    """Return a text without percent-encoding; None where it was encoded more often than any camera does."""
    for _ in range(_MAX_DECODINGS):
        plain = unquote(text, errors="replace")
        if plain == text:
            return text
        text = plain
    return None


def _redacted_uri(uri: str) -> str:
    scheme, mark, rest = uri.partition("://")
    if not mark:
        # Not a URI, or one that lacks a slash or a colon.
        name, at, host = uri.rpartition("@")
        return f"{_PLACEHOLDER}@{host}" if at and ":" in name else _without_values(uri, _SECRET)
    head, separator, tail = re.match(r"([^?#]*)([?#]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in (tail if (plain := _decoded(tail)) is None else plain):
        # The authority may continue after the ? or #, so that these belong to a password.
        return f"{scheme}://{_PLACEHOLDER}"
    if "@" in head:
        before, _, after = head.rpartition("@")
        harmless = _HARMLESS_REST.search(after)
        in_path = "/" in before and _SECRET.search(_decoded(before.partition("/")[2]) or "")
        # Behind a word for a secret in the path the @ may belong to the value.
        head = (
            _PLACEHOLDER + after[harmless.start() :] if in_path and harmless is not None else f"{_PLACEHOLDER}@{after}"
        )
    # Text in the place of the port may be a password whose @ and host were forgotten, or that was written twice.
    head = re.sub(rf"^([^/:\[\]]*):(?![+-]?\d+(?:/|$))[^/]{{{_SHORTEST_PASSWORD},}}", rf"\1:{_PLACEHOLDER}", head)
    host, slash, path = head.partition("/")
    if "=" in host:
        host, slash, path = _without_values(head, _SECRET).partition("/")
    path = slash + path
    for word in (_SECRET, _SECRET_SEGMENT, _OTHER_KEY):
        path = _without_values(path, word)
    head = host + _TOKEN_RUN.sub(_without_token, path)
    return f"{scheme}://{head}{separator}{re.sub(r'[^&;?#]+', _without_value, tail)}"


def _without_values(path: str, word: re.Pattern[str]) -> str:
    """Return a path without what follows a word for a secret, up to the next such key or to a harmless rest."""
    shown, at = "", 0
    while (found := word.search(path, at)) is not None:
        begin = found.end()
        rest = _HARMLESS_REST.search(path, begin)
        end = len(path) if rest is None else rest.start()
        following = _NEXT_KEY.search(path, begin, end)
        if following is not None:
            end = following.start()
        shown += path[at:begin] + _PLACEHOLDER * (end > begin)
        at = end
    return shown + path[at:]


def _without_value(item: re.Match[str]) -> str:
    """Return one item of a query without its value; only the name where the item is `name=value`."""
    key, _, value = item[0].partition("=")
    if _HARMLESS_ITEM.fullmatch(item[0]):
        return item[0]
    # Without a name, or with nothing but padding behind it, the name may be the secret: ?c2VjcmV0==
    return f"{key}={_PLACEHOLDER}" if value.strip("=") and _KEY.fullmatch(key) else _PLACEHOLDER


def _without_token(run: re.Match[str]) -> str:
    text = run[0]
    changes = sum(one.isdigit() != other.isdigit() for one, other in pairwise(text))
    return _PLACEHOLDER if changes >= _MIN_TOKEN_CHANGES or not text.isalnum() else text


def redacted_text(text: str) -> str:
    """Return a text with each URI in it `redacted`, also where the URI lost one of its slashes."""

    def shown(found: re.Match[str]) -> str:
        rest = found[2].rstrip(_SENTENCE_ENDS)
        uri = f"{found[1]}://{rest}"
        safe = redacted(uri)
        return found[0] if safe == uri else safe + found[2][len(rest) :]

    return _URI.sub(shown, text)


def quoted(value: object, max_length: int = 60) -> str:
    """Return a value as Python writes it, on one line of at most `max_length` characters, without credentials."""
    text = repr(_redacted(value))
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def quoted_name(name: str, max_length: int = 60) -> str:
    """Return the name of a key or table: bare where TOML allows that, else `quoted`."""
    return name if re.fullmatch(rf"[A-Za-z0-9_-]{{1,{max_length}}}", name) else quoted(name, max_length)


def quoted_file(key: str, file: str) -> str:
    """Return a key with the file that it names.

    A name without `/` is left out: it may be the secret itself, written in place of the name of its file.
    """
    return f"{key} = {file!r}" if "/" in file else f"{key} (a name without / is not repeated here)"


def _redacted(value: object) -> object:
    match value:
        case str():
            return redacted(value)
        case list():
            return [_redacted(item) for item in value]
        case dict():
            return {key: _redacted(item) for key, item in value.items()}
    return value
