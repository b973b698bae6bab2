"""Notes out of loads: the ledger's journal is the registry, and a note can always be made again, byte for byte.

A LoadOffline in journal entry `n` put one token in escrow for each note. Everything the note says follows from that
entry and from what was public before it: the serial (epoch, `n`, output), the device, the amount, the times from the
policy in force, the purpose and its hops from the mark's signed definition. So a device that lost its notes gets the
same bytes again, a crash between load and note loses nothing, and the reconciler needs no list of notes of its own.

A note is issued under the oldest issuer epoch that is valid at the load's time, so a new epoch never changes an old
note. A token above the epoch's largest note is no money offline: its note is not handed out, and refunds itself when
it closes.

Source: DTO/1, sections 5.4, 5.13 and 5.19 (6, 8).
"""

from collections.abc import Callable, Sequence

from cbdc.authority import ISSUER, Auth, Authority
from cbdc.errors import Refused
from cbdc.keys import Signer
from cbdc.ledger.state import MARK, StateKey
from cbdc.marks import MarkDefinition
from cbdc.record import Signed, object_id, open_envelope, sign
from cbdc.token import Token
from offline.escrow import Load, SettlementLedger, serial_of
from offline.parameters import (
    MAX_HOPS,
    MAX_LENGTH,
    REDEEM_BY_SECONDS,
    SPEND_BY_SECONDS,
    Policy,
    value_of,
)
from offline.records import Note

PolicyAt = Callable[[int], Policy]


class NoteIssuer:
    """Makes the notes of loads. `signers` are the issuer's epoch keys; `policy_at` gives the policy before a moment."""

    def __init__(
        self, ledger: SettlementLedger, authority: Authority, signers: Sequence[Signer], policy_at: PolicyAt
    ) -> None:
        """Raises E_AUTHORITY when none of the signers is an issuer."""
        self._ledger = ledger
        self._network = authority.network
        self._policy_at = policy_at
        self._signers = {signer.public.kid: signer for signer in signers}
        self._epochs = sorted(
            (auth for auth in authority.with_role(ISSUER) if auth.kid in self._signers),
            key=lambda auth: (auth.scope[0], auth.not_before),
        )
        if not self._epochs:
            raise Refused("E_AUTHORITY", kid=min(self._signers, default=b""), role="issuer of offline notes")

    def registry(self, load: Load) -> list[Signed[Note]]:
        """The notes of a load as the registry knows them: right ids, no signatures (which no id covers)."""
        epoch = self._epoch(load.time)
        found = []
        for place in range(len(load.tokens)):
            record = self._note(load, place, epoch)
            body = record.body()
            found.append(Signed(record, body, b"", object_id(Note.DOMAIN, Note.TYPE, self._network, body)))
        return found

    def notes(self, load: Load) -> list[Signed[Note]]:
        """The signed notes of a load, for its device: always the same bytes, without those above the largest note."""
        epoch = self._epoch(load.time)
        signer = self._signers[epoch.kid]
        return [
            sign(self._note(load, place, epoch), self._network, signer)
            for place, token in enumerate(load.tokens)
            if token.amount_tiyn <= epoch.scope[1]
        ]

    def _epoch(self, time: int) -> Auth:
        valid = [auth for auth in self._epochs if auth.not_before <= time <= auth.expires]
        return (valid or self._epochs)[0]

    def _note(self, load: Load, place: int, epoch: Auth) -> Note:
        policy = self._policy_at(load.time)
        token = load.tokens[place]
        definition = self._definition(token)
        spend_by = load.time + value_of(SPEND_BY_SECONDS, policy)
        hops = value_of(MAX_HOPS, policy)
        if definition is not None:
            spend_by = min(spend_by, max(definition.valid_until, load.time + 1))
            hops = min(hops, definition.max_hops)
        return Note(
            issuer_reference=epoch.kid[:8],
            serial=serial_of(epoch.scope[0], load.index, place),
            amount_tiyn=token.amount_tiyn,
            owner=load.device,
            purpose=0 if definition is None else definition.purpose,
            max_hops=hops,
            max_length=value_of(MAX_LENGTH, policy),
            issued=load.time,
            spend_by=spend_by,
            redeem_by=spend_by + value_of(REDEEM_BY_SECONDS, policy),
            load_number=load.load_number + place,
        )

    def _definition(self, token: Token) -> MarkDefinition | None:
        if not token.mark:
            return None
        key = StateKey(MARK, token.mark)
        envelope = self._ledger.load([key])[key]
        assert isinstance(envelope, bytes), "a marked token was loaded, so its mark is defined"
        return open_envelope(envelope, MarkDefinition, self._network).record
