"""What the CEL library says of a filter, in words that its author can act upon. Knows nothing of events."""

import re

_CHARACTERS_MAX = 300

_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\n|$)")
_NOISE = re.compile(r" \(in container ''\)| \[[A-Z_]+\]$| expecting \{.*")
_CODE = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_UNDECLARED = "undeclared reference to "
_LEFT_OUT = {"'_+_'": "+", "'map'": "map()", "'filter'": "filter()", "'exists_one'": "exists_one()"}

# What people meet most.
_KEY_MISSING = re.compile(r"Key not found in map : (.*)", re.DOTALL)
_INDEX = re.compile(r"Index error: index=(-?\d+) size=(\d+)")
_NO_OVERLOAD = re.compile(r"No matching overloads found : (.*)", re.DOTALL)
_NO_OBJECT = "Applying SELECT to non-message type"
_LOOP = "<iter_range>"
_LOGIC = ("_&&_", "_||_", "!_")


def compile_problem(message: str) -> str:
    """Say what is wrong with a filter that does not compile, with its place where there is one."""
    if "recursion" in message:
        return "it is nested too deeply, or has too many operators in a row: more than 32"
    found = _ERROR.findall(message)
    if not found:
        return "it cannot be compiled"
    # A macro that is left out also makes its variables undeclared, and those come first.
    line, column, text = next((each for each in found if _left_out(each[2])), found[0])
    problem = _left_out(text) or printable(_NOISE.sub("", text))
    return f"{problem}; at line {line}, column {column}"


def evaluation_problem(message: str) -> str:
    """Say what went wrong in an evaluation."""
    return printable(_translated(_CODE.sub("", message)))


def printable(text: str) -> str:
    """Return a library's message on one line of printable ASCII, cut to 300 characters."""
    escaped = ascii(text[:_CHARACTERS_MAX])[1:-1].replace("\\'", "'")
    return escaped[:_CHARACTERS_MAX]


def _left_out(text: str) -> str:
    for reference, name in _LEFT_OUT.items():
        if text.startswith(f"{_UNDECLARED}{reference}"):
            return f"filters have no {name}"
    return ""


def _translated(message: str) -> str:
    if found := _KEY_MISSING.fullmatch(message):
        return f"there is no key {found[1]}; has(), or {found[1]} in, asks whether there is one"
    if found := _INDEX.fullmatch(message):
        return f"there is no element {found[1]} in a list of {found[2]}; size() says how many there are"
    if found := _NO_OVERLOAD.fullmatch(message):
        return _mismatch(found[1])
    return "a field is asked of what is no object" if message == _NO_OBJECT else message


def _mismatch(operation: str) -> str:
    """Say that an operation got values of the wrong types; it is told as `_>_(string, int64)`."""
    if operation == _LOOP:
        return "all() and exists() need a list or an object"
    if operation in _LOGIC:
        return f"{operation.strip('_')} takes nothing but true and false"
    name, parenthesis, types = operation.removeprefix("@").partition("(")
    return f"the values are of types that do not go together: {name.strip('_')}{parenthesis}{types}"
