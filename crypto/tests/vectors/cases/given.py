"""What a case of each kind means: from its inputs, the intermediate values and the outputs.

Every function takes the inputs as `Given` and the outputs which the file states (empty while a file is being made),
and returns (intermediates, outputs). Where a random input is left out, the outputs stated are opened instead of being
made again, and what opening them yields is returned.
"""

from parlour.blocks import Refused

KINDS = {}


def kind(function):
    KINDS[function.__name__] = function
    return function


class Given(dict):
    """JSON values: `given["x"]` as they are, `given("x")` as bytes, None where absent."""

    def __call__(self, name):
        value = self.get(name)
        if isinstance(value, list):
            return [bytes.fromhex(item) for item in value]
        return None if value is None else bytes.fromhex(value)

    def part(self, name):
        return Given(self[name])

    def has(self, *names):
        return all(self.get(name) is not None for name in names)


def plain(value):
    """The JSON form: bytes as hex."""
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def run(name, inputs, stated=None):
    """(intermediates, outputs) of a case in JSON form."""
    middle, out = KINDS[name](Given(inputs), Given(stated or {}))
    return plain(middle), plain(out)


def refuses(action, otherwise):
    """Require that an action be refused, and give the reason."""
    try:
        action()
    except Refused as refusal:
        return str(refusal)
    raise Refused(otherwise)
