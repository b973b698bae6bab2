"""Honest payments and their forged twins, for the grader of the first exercise.

Everything follows from a seed: who there is, what they hold, which payments they make. A forgery differs from its
honest twin in one thing only, so a verifier that lets it pass lacks exactly one guard.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgpack

from cbdc import canonical
from cbdc.keys import ED25519, ES256, SoftwareKey, key_id
from cbdc.money import tenge
from cbdc.ports import SeededEntropy
from cbdc.record import ONLINE_DOMAIN, object_id, signing_message
from cbdc.token import HashLock, KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import (
    Issue,
    LoadOffline,
    Redeem,
    SignedTransaction,
    Transaction,
    Transfer,
    open_transaction,
    sign_transaction,
)

NAMES = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat")
FREE = b""
SMALL_ORDER_POINT = b"\1" + bytes(31)

Witnesses = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Forgery:
    """A forged payment, the honest payment it was made from, and what is wrong with it: a key of words.toml."""

    story: str
    honest: bytes
    data: bytes


class Counterfeiter:
    """People with keys of both kinds and tokens, free and marked; Aldar, who knows his own key only.

    `keys` and `unspent` are what `accept` is given; neither can be written to.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._entropy = SeededEntropy(seed)
        self.network = self._bytes("network", 8)
        names = self._chance.sample(NAMES, 5)
        self.people = [
            SoftwareKey(ED25519 if number % 2 else ES256, self._bytes(name, 32))
            for number, name in enumerate(names)
        ]
        self.aldar = SoftwareKey(ED25519, self._bytes("Aldar", 32))
        self.stranger = SoftwareKey(ED25519, self._bytes("stranger", 32))
        known = {key.public.kid: (key.public.algorithm, key.public.raw) for key in (*self.people, self.aldar)}
        self.weak_kid = key_id(ED25519, SMALL_ORDER_POINT)
        known[self.weak_kid] = (ED25519, SMALL_ORDER_POINT)  # a careless bank's work
        self.keys: Mapping[bytes, tuple[int, bytes]] = MappingProxyType(known)
        self.meals, self.books = self._bytes("meals", 32), self._bytes("books", 32)
        self._tokens: dict[TokenId, Token] = {}
        self._spent: list[TokenId] = []
        for person in self.people:
            for mark in (FREE, FREE, FREE, self.meals, self.books):
                self._mint(person.public.kid, mark)
        for kid in (self.aldar.public.kid, self.stranger.public.kid, self.weak_kid):
            self._mint(kid, FREE)
        self._spent = [self._new_id() for _ in range(3)]
        self.unspent: Mapping[TokenId, Token] = MappingProxyType(self._tokens)
        self._payments = 0

    @staticmethod
    def open_anyway(data: bytes, network: bytes) -> SignedTransaction:
        """A payment opened without asking whether an input stands twice."""
        _, body, witnesses = canonical.decode_array(data)
        assert isinstance(body, bytes)
        identity = object_id(ONLINE_DOMAIN, Transfer.TYPE, network, body)
        return SignedTransaction(Transfer.from_body(body), body, identity, witnesses)  # type: ignore[arg-type]

    def _bytes(self, what: str, size: int) -> bytes:
        return self._entropy.bytes(f"counterfeits/{what}", b"", size)

    def _new_id(self) -> TokenId:
        return TokenId(self._chance.randbytes(32), self._chance.randrange(3))

    def _mint(self, kid: bytes, mark: bytes) -> None:
        self._tokens[self._new_id()] = Token(tenge(self._chance.randrange(10, 5_000)), KeyLock(kid), mark)

    def _of(self, key: SoftwareKey, mark: bytes = FREE) -> list[TokenId]:
        return [i for i, t in self._tokens.items() if t.lock.holder == key.public.kid and t.mark == mark]

    def _nonce(self) -> bytes:
        self._payments += 1
        return self._entropy.bytes("counterfeits/nonce", self._payments.to_bytes(4, "big"), 16)

    def _total(self, inputs: tuple[TokenId, ...]) -> int:
        return sum(self._tokens[identity].amount_tiyn for identity in inputs)

    # --- honest payments ---

    def record(self, payers: list[SoftwareKey], mark: bytes = FREE, tokens_each: int = 1) -> Transfer:
        """A payment by these people to another, in money of a mark, with change to the first."""
        inputs = tuple(i for payer in payers for i in self._of(payer, mark)[:tokens_each])
        payee = self._chance.choice([person for person in self.people if person not in payers])
        paid = self._chance.randrange(1, self._total(inputs))
        outputs = (
            Token(paid, KeyLock(payee.public.kid), mark),
            Token(self._total(inputs) - paid, KeyLock(payers[0].public.kid), mark),
        )
        return Transfer(self._nonce(), inputs, outputs)

    def sign(self, record: Transaction, signers: list[SoftwareKey]) -> bytes:
        """The bytes of a transaction signed by these."""
        return sign_transaction(record, self.network, list(signers)).encode()

    def honest(self) -> list[tuple[str, bytes]]:
        """(what it is, bytes) of payments that are all to be accepted."""
        first, second, third = self._chance.sample(self.people, 3)
        both = [first, second]
        whole = self.record([third])
        kid = whole.outputs[0].lock.holder
        whole = replace(whole, outputs=(Token(self._total(whole.inputs), KeyLock(kid)),))
        return [
            ("one_token_with_change", self.sign(self.record([first]), [first])),
            ("one_token_without_change", self.sign(whole, [third])),
            ("several_tokens_of_one_owner", self.sign(self.record([second], tokens_each=3), [second])),
            ("tokens_of_two_owners_both_signed", self.sign(self.record(both), both)),
            ("to_a_quorum_of_two", self.sign(self._to_two(first, (second, third)), [first])),
            ("two_owners_signed_in_the_other_order", self.sign(self.record(both), [second, first])),
            ("marked_money_that_keeps_its_mark", self.sign(self.record([third], self.meals), [third])),
        ]

    def _to_two(self, payer: SoftwareKey, payees: tuple[SoftwareKey, SoftwareKey]) -> Transfer:
        record = self.record([payer])
        lock = QuorumLock(2, tuple(key.public.kid for key in payees))
        return replace(record, outputs=(replace(record.outputs[0], lock=lock), record.outputs[1]))

    # --- forgeries ---

    def forgeries(self, kind: str) -> list[Forgery]:
        """Every forgery against one guard, in an order of chance, each from an honest payment of its own."""
        makers: dict[str, Callable[[], Iterator[Forgery]]] = {
            "form": self._forms,
            "signature": self._signatures,
            "token": self._missing,
            "lock": self._locks,
            "sum": self._sums,
            "mark": self._marks,
        }
        found = list(makers[kind]())
        self._chance.shuffle(found)
        return found

    def _pay(self) -> tuple[SoftwareKey, Transfer, bytes]:
        payer = self._chance.choice(self.people)
        record = self.record([payer])
        return payer, record, self.sign(record, [payer])

    @staticmethod
    def _wire(type_number: int, body: bytes, witnesses: Witnesses) -> bytes:
        return canonical.encode([type_number, body, witnesses])

    def _signed_body(self, payer: SoftwareKey, body: bytes) -> bytes:
        """Bytes around any body whatever, rightly signed."""
        identity = object_id(ONLINE_DOMAIN, Transfer.TYPE, self.network, body)
        signature = payer.sign(signing_message(ONLINE_DOMAIN, Transfer.TYPE, identity))
        return self._wire(Transfer.TYPE, body, ((payer.public.kid, signature),))

    def _forms(self) -> Iterator[Forgery]:
        payer, record, data = self._pay()
        kid = payer.public.kid
        yield Forgery("no_bytes_at_all", data, b"")
        yield Forgery("the_last_byte_is_missing", data, data[:-1])
        yield Forgery("a_byte_more_than_there_should_be", data, data + b"\0")
        yield Forgery("the_type_number_in_a_longer_form", data, data[:1] + b"\xcc" + data[1:])
        yield Forgery("an_array_of_two", data, canonical.encode([65, record.body()]))
        yield Forgery("a_body_that_is_text", data, canonical.encode([65, "salem", []]))
        yield Forgery("nobody_has_signed", data, self._wire(65, record.body(), ()))
        total = self._total(record.inputs)
        lock = [1, kid]
        outputs = [[total + tenge(500), lock, b""], [-tenge(500), lock, b""]]
        inputs = [list(identity) for identity in record.inputs]
        body = msgpack.packb([record.nonce, inputs, outputs, b"", []], use_bin_type=True)
        yield Forgery("one_amount_is_negative_and_the_sum_is_right", data, self._signed_body(payer, body))
        outputs = [[total, lock, b""], [0, lock, b""]]
        body = msgpack.packb([record.nonce, inputs, outputs, b"", []], use_bin_type=True)
        yield Forgery("one_output_is_worth_nothing", data, self._signed_body(payer, body))
        mine = (Token(total, KeyLock(kid)),)
        issue = Issue(self._nonce(), bytes(32), mine)
        yield Forgery("it_issues_money_signed_by_a_holder", data, self.sign(issue, [payer]))
        redeem = Redeem(self._nonce(), bytes(32), record.inputs, ())
        yield Forgery("it_destroys_money_signed_by_a_holder", data, self.sign(redeem, [payer]))
        load = LoadOffline(self._nonce(), record.inputs, mine, bytes(32), 1)
        yield Forgery("it_takes_money_offline_and_is_no_payment", data, self.sign(load, [payer]))

    def _signatures(self) -> Iterator[Forgery]:
        payer, record, data = self._pay()
        kid, honest = payer.public.kid, open_transaction(data, self.network)
        (_, signature), body = honest.witnesses[0], record.body()
        first, second = record.outputs
        more = (replace(first, amount_tiyn=first.amount_tiyn + second.amount_tiyn),)
        changed = replace(record, outputs=more).body()
        yield Forgery("an_amount_was_changed_after_signing", data, self._wire(65, changed, honest.witnesses))
        theirs = replace(first, lock=KeyLock(self.aldar.public.kid))
        changed = replace(record, outputs=(theirs, second)).body()
        yield Forgery("the_payee_was_changed_after_signing", data, self._wire(65, changed, honest.witnesses))
        other = open_transaction(self.sign(self.record([payer]), [payer]), self.network)
        yield Forgery("a_signature_of_another_payment", data, self._wire(65, body, other.witnesses))
        aldars = self.aldar.sign(honest.message)
        yield Forgery("aldar_signed_under_the_owners_name", data, self._wire(65, body, ((kid, aldars),)))
        elsewhere = sign_transaction(record, self._bytes("elsewhere", 8), [payer]).encode()
        yield Forgery("it_was_signed_for_another_network", data, elsewhere)
        message = signing_message(ONLINE_DOMAIN, 66, object_id(ONLINE_DOMAIN, 66, self.network, body))
        wrong = ((kid, payer.sign(message)),)
        yield Forgery("it_was_signed_as_another_kind_of_transaction", data, self._wire(65, body, wrong))
        flipped = bytes([signature[0] ^ 1]) + signature[1:]
        yield Forgery("one_bit_of_the_signature_is_wrong", data, self._wire(65, body, ((kid, flipped),)))
        beside = ((kid, signature), (self.aldar.public.kid, bytes(64)))
        yield Forgery("a_second_signature_beside_the_right_one_is_wrong", data, self._wire(65, body, beside))
        twice = ((kid, signature), (kid, signature))
        yield Forgery("one_key_has_signed_twice", data, self._wire(65, body, twice))
        unknown = self.record([self.stranger])
        unknown = replace(unknown, outputs=(Token(self._total(unknown.inputs), first.lock),))
        yield Forgery("a_key_that_no_bank_has_registered", data, self.sign(unknown, [self.stranger]))
        nowhere = replace(record, outputs=(replace(first, lock=KeyLock(self.stranger.public.kid)), second))
        message = honest.message
        stranger = (self.stranger.public.kid, self.stranger.sign(message))
        beside = ((kid, signature), stranger)
        yield Forgery("a_stranger_signed_too", data, self._wire(65, body, beside))
        for story, lock in (
            ("a_quorum_with_a_stranger", QuorumLock(1, (first.lock.holder, self.stranger.public.kid))),
            ("a_hash_lock_for_a_stranger", HashLock(bytes(32), self.stranger.public.kid, kid, 2_000_000_000)),
        ):
            locked = replace(record, outputs=(replace(first, lock=lock), second))
            yield Forgery(story, data, self.sign(locked, [payer]))
        yield Forgery("a_payee_that_no_bank_has_registered", data, self.sign(nowhere, [payer]))
        weak = [i for i, t in self._tokens.items() if t.lock.holder == self.weak_kid]
        spend = replace(record, inputs=tuple(weak), outputs=(Token(self._total(tuple(weak)), first.lock),))
        universal = ((self.weak_kid, SMALL_ORDER_POINT + bytes(32)),)
        yield Forgery("a_signature_that_fits_everything", data, self._wire(65, spend.body(), universal))

    def _missing(self) -> Iterator[Forgery]:
        payer, record, data = self._pay()
        payee = record.outputs[0].lock
        identity = record.inputs[0]
        for story, gone in (
            ("a_token_that_never_existed", TokenId(self._chance.randbytes(32), 0)),
            ("a_token_that_was_spent_before", self._spent[0]),
            ("another_output_of_the_same_transaction", TokenId(identity.transaction_id, 200)),
        ):
            spend = replace(record, inputs=(gone,))
            yield Forgery(story, data, self.sign(spend, [payer]))
        both = (*record.inputs, self._spent[1])
        spend = replace(record, inputs=both, outputs=(Token(self._total(record.inputs), payee),))
        yield Forgery("a_spent_token_beside_a_good_one", data, self.sign(spend, [payer]))

    def _locks(self) -> Iterator[Forgery]:
        payer, record, data = self._pay()
        yield Forgery("aldar_spends_it_with_his_own_key", data, self.sign(record, [self.aldar]))
        payee = next(person for person in self.people if person is not payer)
        yield Forgery("somebody_else_spends_it", data, self.sign(record, [payee]))
        both = self.record([payer, payee])
        twin = self.sign(both, [payer, payee])
        yield Forgery("two_owners_and_one_has_signed", twin, self.sign(both, [payer]))
        yield Forgery("two_owners_and_aldar_for_one", twin, self.sign(both, [payee, self.aldar]))

    def _sums(self) -> Iterator[Forgery]:
        payer, record, data = self._pay()
        first, second = record.outputs
        for story, tiyn in (
            ("one_tiyn_more_than_there_was", 1),
            ("a_million_tenge_more", tenge(1_000_000)),
        ):
            outputs = (replace(first, amount_tiyn=first.amount_tiyn + tiyn), second)
            yield Forgery(story, data, self.sign(replace(record, outputs=outputs), [payer]))
        yield Forgery("money_gets_lost", data, self.sign(replace(record, outputs=(second,)), [payer]))
        twice = replace(record, inputs=record.inputs * 2, outputs=(first, second) * 2)
        yield Forgery("one_token_counts_twice", data, self.sign(twice, [payer]))
        outputs = (replace(first, amount_tiyn=canonical.MAX_INTEGER), second)
        yield Forgery("more_than_all_the_money", data, self.sign(replace(record, outputs=outputs), [payer]))

    def _marks(self) -> Iterator[Forgery]:
        payer = self._chance.choice(self.people)
        record = self.record([payer], self.meals)
        data = self.sign(record, [payer])
        first, second = record.outputs
        for story, outputs in (
            ("meal_money_becomes_free_money", (replace(first, mark=FREE), replace(second, mark=FREE))),
            ("the_change_loses_its_mark", (first, replace(second, mark=FREE))),
            (
                "meal_money_becomes_book_money",
                (replace(first, mark=self.books), replace(second, mark=self.books)),
            ),
        ):
            yield Forgery(story, data, self.sign(replace(record, outputs=outputs), [payer]))
        free = self.record([payer])
        marked = tuple(replace(token, mark=self.meals) for token in free.outputs)
        twin = self.sign(free, [payer])
        yield Forgery(
            "free_money_gets_a_mark_by_its_holder", twin, self.sign(replace(free, outputs=marked), [payer])
        )
        inputs = (self._of(payer, self.meals)[0], self._of(payer)[0])
        outputs = tuple(replace(self._tokens[i], lock=KeyLock(first.lock.holder)) for i in inputs)
        mixed = replace(record, inputs=inputs, outputs=outputs)
        yield Forgery("two_marks_in_one_payment", data, self.sign(mixed, [payer]))
