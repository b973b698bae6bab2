"""Coins, payments and deposits, honest and not, for the grader of this exercise; all from a seed."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blinding import power
from mint import NAMES, SHOPS, identity_of, purse_for
from mint_keys import key_for
from named_coins import (
    CANDIDATES,
    PAIRS,
    Answer,
    Candidates,
    Coin,
    Opening,
    Purse,
    blinded_number,
    challenge_of,
    pair_number,
    pair_of,
    sides,
    xor,
)

Deposit = tuple[bytes, bytes, Coin, tuple[Answer, ...]]


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment to judge: its story (a key of words.toml), the deposit it makes, and whether it is right."""

    story: str
    deposit: Deposit
    right: bool = False


class Tricks:
    """A mint's key, customers, shops, and what can be done to coins."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.secret = key_for(seed)
        self.public = self.secret.public
        names = self.chance.sample(NAMES, 6)
        self.customers = [identity_of(name) for name in names]
        self.shops = [shop.encode() for shop in self.chance.sample(SHOPS, 5)]

    def purse(self, identities: Sequence[bytes] = (), count: int = PAIRS) -> Purse:
        """A coin of one customer's, or with these identities."""
        one = self.chance.choice(self.customers)
        return purse_for(self.secret, list(identities) or [one] * count, self.chance)

    def deposit(self, purse: Purse, shop: bytes = b"", nonce: bytes = b"") -> Deposit:
        """An honest payment at a shop, as the shop hands it in."""
        shop, nonce = shop or self.chance.choice(self.shops), nonce or self.chance.randbytes(16)
        return shop, nonce, purse.coin, purse.answers(challenge_of(shop, nonce))

    def signed(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The mint's signature of the product of any pairs."""
        product = math.prod(pair_number(self.public, pair) for pair in pairs) % self.public[0]
        return power(self.secret, product).to_bytes(256, "big")

    # --- payments ---

    def honest(self, count: int = 4) -> list[Paid]:
        """Payments that a payee must take."""
        return [Paid("an_honest_payment", self.deposit(self.purse()), True) for _ in range(count)]

    def payments(self) -> list[Paid]:
        """Payments that nobody may take."""
        return [*self._coins(), *self._answers()]

    def _coins(self) -> Iterator[Paid]:
        shop, nonce = self.chance.choice(self.shops), self.chance.randbytes(16)
        yield Paid("no_pairs", (shop, nonce, ((), (1).to_bytes(256, "big")), ()))
        for count in (PAIRS - 1, PAIRS + 1):
            yield Paid("another_number_of_pairs", self.deposit(self.purse(count=count)))
        one, two = self.purse(), self.purse()
        n = self.public[0]
        product = int.from_bytes(one.coin[1], "big") * int.from_bytes(two.coin[1], "big") % n
        secrets = sorted(
            zip((*one.coin[0], *two.coin[0]), (*one.secrets, *two.secrets), strict=True),
            key=lambda row: row[0],
        )
        both = Purse(
            (tuple(pair for pair, _ in secrets), product.to_bytes(256, "big")),
            [secret for _, secret in secrets],
        )
        yield Paid("two_coins_as_one", self.deposit(both))
        purse = self.purse()
        pairs, signature = purse.coin
        places = list(range(PAIRS))
        while places == sorted(places):
            self.chance.shuffle(places)
        mixed = Purse((tuple(pairs[p] for p in places), signature), [purse.secrets[p] for p in places])
        yield Paid("pairs_in_another_order", self.deposit(mixed))
        twice = [pairs[0], *pairs[: PAIRS - 1]]
        again = Purse((tuple(twice), self.signed(twice)), [purse.secrets[0], *purse.secrets[: PAIRS - 1]])
        yield Paid("one_pair_twice", self.deposit(again))
        bad = bytearray(signature)
        bad[self.chance.randrange(1, 256)] ^= 1
        yield Paid("a_wrong_signature", self.deposit(Purse((pairs, bytes(bad)), purse.secrets)))
        other = Tricks(self.chance.randrange(3, 10**6))
        if other.public == self.public:
            other.secret = key_for(self.chance.randrange(10**6) * 3 + (sorted_place(self) + 1) % 3)
            other.public = other.secret.public
        yield Paid("another_mints_coin", other.deposit(other.purse()))
        longer = Purse((pairs, b"\0" + signature), purse.secrets)
        yield Paid("a_longer_signature", self.deposit(longer))
        number = int.from_bytes(signature, "big") + n
        if number < 1 << 2048:
            yield Paid(
                "a_longer_signature",
                self.deposit(Purse((pairs, number.to_bytes(256, "big")), purse.secrets)),
            )

    def _answers(self) -> Iterator[Paid]:
        purse = self.purse()
        shop, nonce, coin, answers = self.deposit(purse)
        asked = sides(challenge_of(shop, nonce))
        place = self.chance.randrange(PAIRS)

        def changed(one: Answer, at: int = place) -> Deposit:
            return shop, nonce, coin, (*answers[:at], one, *answers[at + 1 :])

        flipped = bytearray(answers[place][0])
        flipped[self.chance.randrange(32)] ^= 4
        yield Paid("a_half_that_does_not_fit", changed((bytes(flipped), answers[place][1])))
        last = PAIRS - 1
        yield Paid("a_half_that_does_not_fit", changed((bytes(32), answers[last][1]), last))
        identity, a, left, right = purse.secrets[place]
        wrong_side = (a, left) if asked[place] else (xor(a, identity), right)
        yield Paid("the_other_half", changed(wrong_side))
        yield Paid("too_few_answers", (shop, nonce, coin, answers[:-1]))
        yield Paid("too_few_answers", (shop, nonce, coin, ()))
        half, salt = answers[place]
        yield Paid("a_half_of_another_length", changed((half + salt[:1], salt[1:])))
        yield Paid("a_half_of_another_length", changed((half[:-1], half[-1:] + salt)))
        other = self.chance.randbytes(16)
        yield Paid("answers_to_another_nonce", (shop, other, coin, answers))
        another = next(one for one in self.shops if one != shop)
        yield Paid("answers_to_another_shop", (another, nonce, coin, answers))

    # --- the deposit desk ---

    def nonce_where(self, shop: bytes, first: list[int], want: Sequence[int]) -> bytes:
        """A nonce at which the halves that this shop asks for differ from `first` at some places as `want` says.

        `want` has for each place 1 (must differ), 0 (must not) or -1 (either).
        """
        mask = sum(1 << place for place, need in enumerate(want) if need >= 0)
        target = sum(1 << place for place, need in enumerate(want) if need >= 0 and need != first[place])
        begin = self.chance.randrange(1 << 60)
        while True:
            nonce = begin.to_bytes(8, "big")
            if int.from_bytes(challenge_of(shop, nonce), "big") & mask == target:
                return nonce
            begin += 1

    def twice(self, purse: Purse, want: Sequence[int] = ()) -> tuple[Deposit, Deposit]:
        """A coin in two shops."""
        shop, other = self.chance.sample(self.shops, 2)
        first = self.deposit(purse, shop)
        asked = sides(challenge_of(*first[:2]))
        want = want or [1, *[-1] * (PAIRS - 1)]
        return first, self.deposit(purse, other, self.nonce_where(other, asked, want))


def sorted_place(tricks: Tricks) -> int:
    """Which of the three keys a world has."""
    return next(place for place in range(3) if key_for(place) == tricks.secret)


class Opener:
    """A customer who opens candidates, once; some of them are lies."""

    SHOWN = ()
    CALLS = ("open",)

    def __init__(self, openings: Sequence[Opening], shown: int = PAIRS) -> None:
        self._openings, self._shown = list(openings), shown
        self.asked: list[list[int]] = []

    def open(self, places: Sequence[int]) -> list[Opening]:
        """The openings of these places."""
        if self.asked:
            raise ValueError("the customer opens once")
        self.asked.append(list(places))
        shown = list(places)[: self._shown] if self._shown < PAIRS else places
        return [self._openings[place] for place in shown]


class Withdrawal:
    """Candidates of a customer's, honest or with lies, and their opener."""

    def __init__(self, tricks: Tricks) -> None:
        self.tricks = tricks
        self.identity, self.other = tricks.chance.sample(tricks.customers, 2)
        self._honest = self._made(self.identity)
        self._false = self._made(self.other)

    def _made(self, identity: bytes) -> Candidates:
        return Candidates(self.tricks.public, [identity] * CANDIDATES, self.tricks.chance)

    def planted(self, places: Sequence[int]) -> tuple[list[int], Opener]:
        """(blinded, opener) with another customer's identity at these places."""
        blinded, openings = list(self._honest.blinded), list(self._honest.openings)
        for place in places:
            blinded[place], openings[place] = self._false.blinded[place], self._false.openings[place]
        return blinded, Opener(openings)

    def lies(self) -> Iterator[tuple[str, list[int], Opener]]:
        """Withdrawals in which every candidate but a few is a lie of one kind."""
        blinded, openings = self._honest.blinded, self._honest.openings
        many = range(CANDIDATES)
        yield "another_identity", *self.planted(many)
        yield (
            "another_half",
            list(blinded),
            Opener([(xor(o[0], b"\1" * 32), *o[1:]) for o in openings]),
        )
        yield "another_salt", list(blinded), Opener([(o[0], o[1], o[0], o[3]) for o in openings])
        yield "another_factor", list(blinded), Opener([(*o[:3], o[3] + 1) for o in openings])
        turned = [openings[(place + 1) % CANDIDATES] for place in many]
        yield "another_candidate", list(blinded), Opener(turned)
        yield "too_few_candidates", list(blinded[:PAIRS]), Opener(openings)
        yield "one_candidate_many_times", [blinded[0]] * CANDIDATES, Opener([openings[0]] * CANDIDATES)
        halves = [(o[0] + o[1][:1], o[1][1:], *o[2:]) for o in openings]
        yield "a_half_of_another_length", list(blinded), Opener(halves)  # type: ignore[arg-type]
        for shown in (0, 1, PAIRS - 1):
            yield "openings_that_are_missing", *self._few(shown)
        salted = [(o[0], o[1] + b"\0", o[2], o[3]) for o in openings]
        yield "a_salt_of_another_length", *self._as_opened(salted)
        yield "one_pair_many_times", *self._as_opened([(*openings[0][:3], o[3]) for o in openings])
        n = self.tricks.public[0]
        larger = [(*o[:3], o[3] + n) for o in openings]
        yield "a_factor_out_of_range", list(blinded), Opener(larger)

    def _few(self, shown: int) -> tuple[list[int], Opener]:
        """The customer shows only so many openings, all of them right."""
        return self._honest.blinded, Opener(self._honest.openings, shown)

    def _as_opened(self, openings: Sequence[Opening]) -> tuple[list[int], Opener]:
        """Blinded numbers that these openings make."""
        public = self.tricks.public
        pairs = [pair_of(self.identity, *opening[:3]) for opening in openings]
        numbers = [blinded_number(public, pair, o[3]) for pair, o in zip(pairs, openings, strict=True)]
        return numbers, Opener(openings)

    def unseen(self, opened: Sequence[int]) -> Iterator[tuple[str, list[int], Opener]]:
        """Withdrawals whose lie lies where a mint with the same `chance` does not look."""
        n, chance = self.tricks.public[0], self.tricks.chance
        rest = [place for place in range(CANDIDATES) if place not in opened]
        place, other = chance.sample(rest, 2)
        right = self._honest.blinded
        for story, number in (
            ("a_number_out_of_range", 0),
            ("a_number_out_of_range", right[place] - n),
            ("a_number_out_of_range", right[place] + n),
            ("a_number_out_of_range", n),
            ("one_candidate_twice", right[other]),
        ):
            numbers = list(right)
            numbers[place] = number
            yield story, numbers, Opener(self._honest.openings)


def fits(identity: bytes, pair: tuple[bytes, bytes], secret: Sequence[bytes]) -> bool:
    """Whether a pair hides this identity."""
    return pair_of(identity, *secret[1:]) == pair
