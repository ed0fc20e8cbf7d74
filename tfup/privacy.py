"""Keep what is nobody's business out of all that is shown or kept: credentials, user names, home folders."""

from __future__ import annotations

import re

HIDDEN = "***"

_SECRET_NAME = re.compile(r"TOKEN|PASSW|SECRET|CREDENTIAL|USERNAME|API_?KEY|_KEY$|_AUTH$", re.IGNORECASE)
# The second form is a password with a slash in it, which is no valid address and yet is seen.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^\s/@:]*:\S*@|[^\s/]*@)")
# In the middle of a text, only what goes on like the name of a host: user:password@proxy.example
_CREDENTIALS_IN_TEXT = re.compile(r"(?<![\w/])[^\s/:@'\"\\]+:[^\s/@]+@(?=[\w\[][\w-]*[.:])")
_BARE_CREDENTIALS = re.compile(r"^[^\s:/@]+:(?![/\\])\S*@")
_QUERY = re.compile(r"([?&][^=&\s]*(?:token|key|secret|passw|sig|auth)[^=&\s]*=)[^&\s]+", re.IGNORECASE)

# User names that are also words of the questions that we ask: hiding them would garble the answers.
_ORDINARY_WORDS = frozenset({
    "bin", "conda", "cuda", "etc", "home", "keras", "lib", "linux", "local", "nvidia", "opt", "pip", "pypy",
    "python", "python3", "pyenv", "root", "user", "usr", "uv",
})  # fmt: skip


def hide_credentials(text: str) -> str:
    """Mask user name and password in addresses.

    >>> hide_credentials("https://me:p@ss/word@index.example/simple")
    'https://***@index.example/simple'
    >>> hide_credentials("me:secret@proxy.example:3128")
    '***@proxy.example:3128'
    >>> hide_credentials("the proxy me:secret@proxy.example:3128 refused")
    'the proxy ***@proxy.example:3128 refused'
    >>> hide_credentials("https://index.example/simple?token=abc&x=1")
    'https://index.example/simple?token=***&x=1'
    """
    text = _CREDENTIALS.sub(f"{HIDDEN}@", text)
    text = _BARE_CREDENTIALS.sub(f"{HIDDEN}@", text)
    text = _CREDENTIALS_IN_TEXT.sub(f"{HIDDEN}@", text)
    return _QUERY.sub(rf"\1{HIDDEN}", text)


def hide_secret(name: str, value: str) -> str:
    """Mask a variable's value: all of it where the name tells that it is secret.

    >>> hide_secret("UV_PUBLISH_TOKEN", "abc")
    '***'
    """
    return HIDDEN if _SECRET_NAME.search(name) else hide_credentials(value)


def hide_person(text: str, home: str | None, user: str | None) -> str:
    r"""Replace home folder and user name, so that a recording can be shown to anybody.

    >>> hide_person("/scratch/ann/x:/people/ann/.pyenv:/people/annabel", "/people/ann", "ann")
    '/scratch/user/x:/home/user/.pyenv:/people/annabel'
    """
    if home and len(home) > 1:
        new = r"C:\Users\user" if "\\" in home else "/home/user"
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", lambda _: new, text)
    if user and user.lower() not in _ORDINARY_WORDS:
        text = re.sub(rf"(?<![\w.-]){re.escape(user)}(?![\w-])", "user", text)
    return text
