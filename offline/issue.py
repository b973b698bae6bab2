"""Notes out of loads: the ledger's journal is the registry, and a note can always be made again, byte for byte.

A LoadOffline in journal entry `n` put one token in escrow for each note. Everything the note says follows from that
entry and from what was public before it: the serial (epoch, `n`, output), the device, the amount, the times from the
policy in force, the purpose and its hops from the mark's signed definition. So a device that lost its notes gets the
same bytes again, a crash between load and note loses nothing, and the reconciler needs no list of notes of its own.

A note is issued under the lowest issuer epoch that is valid at the load's time and not below the number
`issuer_epoch` that was in force just before it. The issuer's key is replaced by a TRUST list that raises this number:
loads before it keep their notes, loads after it get notes of the next key. A token above the epoch's largest note is no
money offline: its note is not handed out, and refunds itself when it closes.

**A load that is no load.** Anybody can lock money for anybody's device, under any number. If that became notes, a
stranger could use up a device's load numbers; so only the owner's loads do. Every other load, and one that no notes
can be made of, stands in the registry as a refund: entries like notes, which belong to the loader's own key, are never
signed or handed out, and so go back to the loader when they close.

Source: DTO/1, sections 5.4, 5.13 and 5.19 (6, 8).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from cbdc.authority import ISSUER, ROLE_NAMES, Auth, Authority
from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Malformed, Refused
from cbdc.keys import Signer
from cbdc.ledger.state import MARK, StateKey
from cbdc.marks import MarkDefinition
from cbdc.record import Signed, object_id, open_envelope, sign
from cbdc.token import Token
from offline.escrow import Load, SettlementLedger, serial_of
from offline.parameters import (
    ISSUER_EPOCH,
    MAX_HOPS,
    MAX_LENGTH,
    REDEEM_BY_SECONDS,
    SPEND_BY_SECONDS,
    Policy,
    value_of,
)
from offline.records import Note

PolicyAt = Callable[[int], Policy]
IsOwners = Callable[[Load], bool]


def anybody(load: Load) -> bool:
    """Every load is taken for its device owner's."""
    return True


class NoteIssuer:
    """Makes the notes of loads. `signers` are the issuer's epoch keys; `policy_at` gives the policy before a moment.

    `is_owners` says whether a load is its device owner's; its answer for one load never changes.
    """

    def __init__(
        self,
        ledger: SettlementLedger,
        authority: Authority,
        signers: Sequence[Signer],
        policy_at: PolicyAt,
        is_owners: IsOwners = anybody,
    ) -> None:
        """Raises E_AUTHORITY when none of the signers is an issuer."""
        self._ledger = ledger
        self._network = authority.network
        self._policy_at = policy_at
        self._is_owners = is_owners
        self._signers = {signer.public.kid: signer for signer in signers}
        # Every epoch that may sign a note, whether its key is here or not: the registry follows from what is public.
        self._epochs = sorted(
            (auth for auth in authority.with_role(ISSUER) if len(auth.scope) > 1),
            key=lambda auth: (auth.scope[0], auth.not_before),
        )
        if not any(auth.kid in self._signers for auth in self._epochs):
            raise Refused("E_AUTHORITY", kid=min(self._signers, default=b""), role=ROLE_NAMES[ISSUER])

    def epochs_at(self, moment: int) -> tuple[int, ...]:
        """The epochs that are certified at a moment and whose keys are here, from the lowest."""
        valid = self._valid(self._epochs, moment)
        return tuple(auth.scope[0] for auth in valid if auth.kid in self._signers)

    def registry(self, load: Load) -> list[Signed[Note]]:
        """The notes of a load as the registry knows them: right ids, no signatures (which no id covers).

        A load that becomes no notes is there too, as its loader's refund.
        """
        found = []
        for record in self._records(load) or self._refunds(load):
            body = record.body()
            found.append(Signed(record, body, b"", object_id(Note.DOMAIN, Note.TYPE, self._network, body)))
        return found

    def notes(self, load: Load) -> list[Signed[Note]]:
        """The signed notes of a load, for its device: always the same bytes, without those above the largest note.

        Empty for a stranger's load, and for one that no notes can be made of. Raises E_AUTHORITY when the key of their
        epoch is not here.
        """
        epoch = self._epoch(load.time)
        records = [record for record in self._records(load) if record.amount_tiyn <= epoch.scope[1]]
        if not records:
            return []
        signer = self._signers.get(epoch.kid)
        if signer is None:
            raise Refused("E_AUTHORITY", kid=epoch.kid, role=ROLE_NAMES[ISSUER])
        return [sign(record, self._network, signer) for record in records]

    def _records(self, load: Load) -> list[Note]:
        """The notes of its owner's load; none when it is a stranger's or a note cannot say what it would have to."""
        if load.load_number + len(load.tokens) - 1 > MAX_INTEGER or not self._is_owners(load):
            return []
        epoch = self._epoch(load.time)
        try:
            made = [self._note(load, place, epoch) for place in range(len(load.tokens))]
            for record in made:
                record.body()
        except Malformed:
            return []
        return made

    def _refunds(self, load: Load) -> list[Note]:
        epoch = self._epoch(load.time)
        return [
            replace(self._note(load, place, epoch), owner=load.loader, purpose=0, max_hops=1, load_number=0)
            for place in range(len(load.tokens))
        ]

    def _epoch(self, time: int) -> Auth:
        least = value_of(ISSUER_EPOCH, self._policy_at(time))
        open_ones = [auth for auth in self._epochs if auth.scope[0] >= least]
        return (self._valid(open_ones, time) or open_ones or self._epochs)[0]

    @staticmethod
    def _valid(epochs: Sequence[Auth], moment: int) -> list[Auth]:
        return [auth for auth in epochs if auth.not_before <= moment <= auth.expires]

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
