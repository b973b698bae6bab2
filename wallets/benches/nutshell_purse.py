"""Swaps for Cashu's mint, prepared before any watch starts. **This file is run by the Python of the mint's own
environment**, which has `coincurve`; it imports nothing of this project.

    python nutshell_purse.py PORT COUNT LABEL FILE

It buys `2 * COUNT` tokens of one unit from the mint at PORT (whose Lightning backend pays itself) and writes to FILE, a
line each, the bodies of COUNT requests to swap two of them for two new ones.

A token is a secret x with the mint's signature C = k·Y, where Y is x hashed to the curve secp256k1. To get one without
showing x: send B' = Y + r·G, receive C' = k·B', and take C = C' - r·K. Secrets and factors follow from LABEL and a
number: this is play money of a play mint.

Source: Cashu NUT-00, NUT-03 and NUT-04.
"""

import hashlib
import importlib
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

AT_ONCE = 50
WAIT_SECONDS = 120
_DOMAIN = b"Secp256k1_HashToCurve_Cashu_"


def hash_to_curve(message: bytes) -> bytes:
    """The first point of the curve whose x is a hash of the message and a counter, compressed and with an even y."""
    curve: Any = importlib.import_module("coincurve")
    inner = hashlib.sha256(_DOMAIN + message).digest()
    for counter in range(2**16):
        candidate = b"\x02" + hashlib.sha256(inner + counter.to_bytes(4, "little")).digest()
        try:
            return bytes(curve.PublicKey(candidate).format())
        except ValueError:
            continue
    raise ValueError("no point was found")


class Minter:
    """Buys tokens of one unit and prepares swaps."""

    def __init__(self, port: int, label: str) -> None:
        self._curve: Any = importlib.import_module("coincurve")
        self._address = f"http://127.0.0.1:{port}/v1/"
        self._label = label
        self._made = 0
        keysets = self._ask("keys")["keysets"]
        chosen = next(one for one in keysets if one["unit"] == "sat")
        self._keyset = chosen["id"]
        self._key = self._curve.PublicKey(bytes.fromhex(chosen["keys"]["1"]))

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read())

    def blinded(self) -> tuple[dict[str, Any], str, bytes]:
        """A new output: what is sent, its secret, and the factor it was blinded with."""
        self._made += 1
        name = f"{self._label} {self._made}".encode()
        secret = hashlib.sha256(b"secret " + name).hexdigest()
        factor = hashlib.sha256(b"factor " + name).digest()
        point = self._curve.PublicKey(hash_to_curve(secret.encode()))
        blind = self._curve.PublicKey.combine_keys([point, self._curve.PrivateKey(factor).public_key])
        return {"amount": 1, "id": self._keyset, "B_": blind.format().hex()}, secret, factor

    def buy(self, count: int) -> list[dict[str, Any]]:
        """So many tokens, as the inputs of a swap."""
        quote = self._ask("mint/quote/bolt11", {"amount": count, "unit": "sat"})["quote"]
        for _ in range(WAIT_SECONDS):
            if self._ask(f"mint/quote/bolt11/{quote}")["state"] == "PAID":
                break
        made = [self.blinded() for _ in range(count)]
        answer = self._ask("mint/bolt11", {"quote": quote, "outputs": [output for output, _, _ in made]})
        return [
            self._token(secret, factor, signed["C_"])
            for (_, secret, factor), signed in zip(made, answer["signatures"], strict=True)
        ]

    def _token(self, secret: str, factor: bytes, signed: str) -> dict[str, Any]:
        # C = C' - r·K: the negative of r·K is the same point with the other y.
        product = self._key.multiply(factor).format()
        negative = bytes([product[0] ^ 1]) + product[1:]
        signature = self._curve.PublicKey.combine_keys(
            [self._curve.PublicKey(bytes.fromhex(signed)), self._curve.PublicKey(negative)]
        )
        return {"amount": 1, "id": self._keyset, "secret": secret, "C": signature.format().hex()}

    def swaps(self, count: int) -> list[str]:
        """The bodies of `count` swaps of two tokens for two new ones."""
        tokens: list[dict[str, Any]] = []
        while len(tokens) < 2 * count:
            tokens += self.buy(min(AT_ONCE, 2 * count - len(tokens)))
        return [
            json.dumps(
                {"inputs": tokens[place : place + 2], "outputs": [self.blinded()[0], self.blinded()[0]]}
            )
            for place in range(0, 2 * count, 2)
        ]


def main(port: str, count: str, label: str, file: str) -> None:
    """See the module's text."""
    bodies = Minter(int(port), label).swaps(int(count))
    Path(file).write_text("\n".join(bodies), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
