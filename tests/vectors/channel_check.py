"""How a vector of an encrypted channel is run: one side plays from given secrets, the bytes take one place in it."""

from typing import Any

from offline.channel import Channel, Inviter, Joiner


class Given:
    """Chance that was written down: the bytes of each label as the vector has them."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._secrets = secrets

    def bytes(self, label: str, id: bytes, size: int = 32) -> bytes:
        """The bytes for a label, which must be as long as they are asked for."""
        data = bytes.fromhex(self._secrets[label.removeprefix("channel.")])
        assert len(data) == size, "a secret of another size"
        return data


def run_channel(one: dict[str, Any], data: bytes) -> None:
    """Play `one["side"]` with `data` in the place of `one["place"]`; raises what the channel raises.

    What comes after that place is not played.
    """
    said = {name: bytes.fromhex(one[name]) for name in ("engagement", "answer", "reveal")} | {
        one["place"]: data
    }
    channel = _began(one, said)
    if channel is None:
        return
    for record in one.get("before", ()):
        channel.open(bytes.fromhex(record))
    if one["place"] == "record":
        assert channel.open(data).hex() == one["plain"]
        assert channel.code == one["code"]


def _began(one: dict[str, Any], said: dict[str, bytes]) -> Channel | None:
    chance = Given(one["secrets"])
    if one["side"] == "joiner":
        joiner = Joiner(chance, b"", said["engagement"])
        if one["place"] == "engagement":
            return None  # the play ends with the message in question
        assert joiner.answer == said["answer"]
        return joiner.finish(said["reveal"])
    inviter = Inviter(chance, b"", one["suite"])
    assert inviter.engagement == said["engagement"]
    reveal, channel = inviter.accept(said["answer"])
    assert one["place"] == "answer" or reveal == said["reveal"]
    return channel
