"""The one exception that the command line turns into a single sentence."""


class ConvertError(Exception):
    """Input that cannot be used. The message names the file or option, the value and the remedy."""
