"""What the grader asks of this exercise. The mint's keys are kept test keys: making one takes a second."""

import random
from fractions import Fraction
from math import comb

from coin_tricks import Deposit, Opener, Tricks, Withdrawal, fits
from mint import FactorBook, Mint, PatternBook, Street, identity_of
from mint_keys import key_for
from named_coins import CANDIDATES, PAIRS, challenge_of, coin_id, sides, signature_fits

from wallets.exercises.asking import need, refusal
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student

CUTS = 40


def _judge(student: Student, name: str, *arguments: object) -> str:
    """What the function says: empty when it accepts, the refusal otherwise; a crash is its failure."""
    try:
        said = refusal(getattr(student, name), *arguments, kinds=("Refused",))
    except Raised as error:
        _crash(name, error)
        raise
    return "" if said is None else said.text or said.kinds[0]


def _crash(name: str, error: Raised) -> None:
    need(
        error.is_a("NotImplementedError"),
        "crashed",
        name=name,
        kind=error.kinds[0],
        text=error.text[:120],
        line=error.line,
    )


def _linked(answer: object, truth: dict[int, str]) -> None:
    need(isinstance(answer, dict), "no_dict", answer=repr(answer)[:80])
    assert isinstance(answer, dict)
    for place, name in answer.items():
        need(place in truth, "guessed", place=place, name=name)
        need(truth[place] == name, "wrong_person", place=place, name=name)
    need(len(answer) == len(truth), "more_to_link", found=len(answer), of=len(truth))


def test_link_by_factor(student: Student, seed: int) -> None:
    """One factor for all coins."""
    book = FactorBook(seed, key_for(seed))
    student.note("RFC 9474, 4.2", "the factor is fresh and uniform for every message")
    _linked(student.link_by_factor(book.public, book.withdrawals, book.deposits), book.truth)


def test_link_by_pattern(student: Student, seed: int) -> None:
    """Amounts and times, and no guess."""
    for number in range(4):
        book = PatternBook(seed * 4 + number)
        _linked(student.link_by_pattern(book.withdrawals, book.deposits), book.truth)


def test_spend_twice(student: Student, seed: int) -> None:
    """Two shops that ask the same."""
    street = Street(seed, key_for(seed))
    answer = student.spend_twice(street)
    need(len(street.taken) == 2, "not_two_shops", count=len(street.taken))
    (one, first, coin, _), (other, second, again, _) = street.taken
    need(coin_id(coin) == coin_id(again), "not_one_coin")
    differing = sum(a != b for a, b in zip(sides(first), sides(second), strict=True))
    need(differing == 0, "you_are_named", places=differing)
    need(sorted(map(str, answer or ())) == sorted((one, other)), "read_wrongly", said=f"{one}, {other}")
    student.note("Z5", "the same challenge is only a replay: nobody can be named")


def test_plant(student: Student, seed: int) -> None:
    """A mint that can be foreseen signs anything."""
    mint = Mint(seed, key_for(seed))
    answer = student.plant(mint)
    need(mint.signed > 0, "nothing_signed")
    need(isinstance(answer, tuple) and len(answer) == 2, "no_coin")
    try:
        coin, secrets = answer
        pairs = tuple((bytes(left), bytes(right)) for left, right in coin[0])
        whole = len(pairs) == len(secrets) == PAIRS and signature_fits(mint.public, (pairs, bytes(coin[1])))
        named = [fits(mint.neighbour, pair, secret) for pair, secret in zip(pairs, secrets, strict=True)]
    except (TypeError, ValueError, IndexError):
        whole, named = False, []
    need(whole, "no_coin")
    need(all(named), "not_everywhere", count=sum(named), of=PAIRS)


def test_escape_chance(student: Student, seed: int) -> None:
    """Whole numbers."""
    chance = random.Random(seed)
    asked = [
        (CANDIDATES, PAIRS, 1),
        (CANDIDATES, PAIRS, PAIRS),
        (CANDIDATES, PAIRS, PAIRS + 1),
        (10, 9, 1),
        (8, 4, 0),
    ]
    for _ in range(12):
        candidates = chance.randrange(4, 80)
        opened = chance.randrange(1, candidates)
        asked.append((candidates, opened, chance.randrange(0, candidates + 1)))
    chance.shuffle(asked)
    for candidates, opened, planted in asked:
        answer = student.escape_chance(candidates, opened, planted)
        fraction = isinstance(answer, tuple) and len(answer) == 2 and all(type(one) is int for one in answer)
        need(fraction and answer[1] > 0, "no_fraction", answer=repr(answer)[:80])
        right = Fraction(comb(candidates - planted, opened), comb(candidates, opened))
        need(
            Fraction(*answer) == right,
            "wrong_chance",
            candidates=candidates,
            opened=opened,
            planted=planted,
            answer=f"{answer[0]}/{answer[1]}"[:60],
        )


# --- part 2: the payee ---


def test_check_payment_accepts_honest_payments(student: Student, seed: int) -> None:
    """Every honest payment, twice."""
    tricks = Tricks(seed)
    honest = tricks.honest(6)
    for one in (*honest, *reversed(honest)):
        shop, nonce, coin, answers = one.deposit
        said = _judge(student, "check_payment", tricks.public, shop, nonce, coin, answers)
        need(not said, "honest_refused", said=said)


def test_check_payment_refuses_others(student: Student, seed: int) -> None:
    """Strange coins and strange answers, honest ones between them."""
    tricks = Tricks(seed)
    asked = [*tricks.payments(), *tricks.honest(4)]
    tricks.chance.shuffle(asked)
    for one in asked:
        shop, nonce, coin, answers = one.deposit
        said = _judge(student, "check_payment", tricks.public, shop, nonce, coin, answers)
        student.note("", one.story)
        if one.right:
            need(not said, "honest_refused", said=said)
        else:
            need(said, "payment_accepted", story=Key(f"story.{one.story}"))


# --- part 2: the mint ---


def _cut(
    student: Student, tricks: Tricks, identity: bytes, blinded: list[int], opener: Opener
) -> str | list[int]:
    """The places to be signed, or the refusal in words."""
    try:
        places = student.cut(tricks.public, identity, blinded, tricks.chance.randbytes(32), opener)
    except Raised as error:
        if error.is_a("Refused"):
            return error.text or "Refused"
        _crash("cut", error)
        raise
    need(isinstance(places, (list, tuple)), "no_places", answer=repr(places)[:80])
    need(len(opener.asked) == 1, "not_opened")
    opened = opener.asked[0]
    need(len(set(opened)) == len(opened) == PAIRS, "not_half", count=len(set(opened)), half=PAIRS)
    need(sorted([*opened, *places]) == list(range(CANDIDATES)), "not_the_others")
    return list(places)


def test_cut_lets_honest_withdrawals_pass(student: Student, seed: int) -> None:
    """Every honest one."""
    tricks = Tricks(seed)
    for _ in range(3):
        one = Withdrawal(tricks)
        said = _cut(student, tricks, one.identity, *one.planted(()))
        need(not isinstance(said, str), "honest_cut_refused", said=said)


def test_cut_refuses_lies(student: Student, seed: int) -> None:
    """Whatever is opened must be exactly what it should be."""
    tricks = Tricks(seed)
    one = Withdrawal(tricks)
    asked: list[tuple[str, list[int], Opener]] = [*one.lies()]
    asked += [("", *one.planted(())) for _ in range(3)]
    tricks.chance.shuffle(asked)
    for story, blinded, opener in asked:
        said = _cut(student, tricks, one.identity, blinded, opener)
        student.note("", story or "honest")
        if story:
            need(isinstance(said, str), "lie_signed", story=Key(f"story.{story}"))
        else:
            need(not isinstance(said, str), "honest_cut_refused", said=said)


def test_cut_looks_at_what_it_does_not_open(student: Student, seed: int) -> None:
    """Blinded numbers of one candidate twice, or of no range, in the half that is not opened."""
    tricks = Tricks(seed)
    one = Withdrawal(tricks)
    chance = tricks.chance.randbytes(32)
    blinded, opener = one.planted(())
    need(_signed(student, tricks, one.identity, blinded, chance, opener), "honest_half_refused")
    need(len(opener.asked) == 1, "not_opened")
    asked = [*one.unseen(opener.asked[0]), *[("", *one.planted(())) for _ in range(2)]]
    tricks.chance.shuffle(asked)
    for story, numbers, opener in asked:
        signed = _signed(student, tricks, one.identity, numbers, chance, opener)
        student.note("", story or "honest")
        if story:
            need(not signed, "lie_unseen", story=Key(f"story.{story}"))
        else:
            need(signed, "honest_half_refused")


def test_cut_cannot_be_foreseen(student: Student, seed: int) -> None:
    """Two planted candidates of 32 escape 24 times in 100, and no two withdrawals open the same half."""
    tricks = Tricks(seed)
    one = Withdrawal(tricks)
    opened, halves, caught = [0] * CANDIDATES, set(), 0
    chances = [tricks.chance.randbytes(32) for _ in range(CUTS)]
    followed: dict[bytes, list[int]] = {}
    for chance in [*chances, *chances[:3]]:
        planted = tricks.chance.sample(range(CANDIDATES), 2)
        blinded, opener = one.planted(planted)
        signed = _signed(student, tricks, one.identity, blinded, chance, opener)
        need(len(opener.asked) == 1, "not_opened")
        places = opener.asked[0]
        need(followed.setdefault(chance, places) == places, "not_by_chance")
        hit = bool(set(planted) & set(places))
        need(
            hit != signed, "lie_signed" if hit else "honest_half_refused", story=Key("story.another_identity")
        )
        caught += hit
        halves.add(tuple(sorted(places)))
        for place in set(places) & set(range(CANDIDATES)):
            opened[place] += 1
    student.note("Z6", f"caught {caught} of {CUTS + 3}; expected {(CUTS + 3) * 758 // 1000}")
    need(len(halves) >= CUTS - 1, "few_halves", count=len(halves), of=CUTS)
    most = CUTS + 3 - 3
    need(all(3 <= n <= most for n in opened), "foreseen", least=min(opened), most=max(opened), of=CUTS + 3)


def _signed(
    student: Student, tricks: Tricks, identity: bytes, blinded: list[int], chance: bytes, opener: Opener
) -> bool:
    """Whether the mint would sign."""
    try:
        student.cut(tricks.public, identity, blinded, chance, opener)
    except Raised as error:
        if error.is_a("Refused"):
            return False
        _crash("cut", error)
        raise
    return True


# --- part 2: the deposit desk ---


def _settle(student: Student, tricks: Tricks, seen: list[Deposit], deposit: Deposit) -> object:
    """What the desk says, as (word, identity), or the word "refused"."""
    try:
        return student.settle(tricks.public, list(tricks.customers), seen, deposit)
    except Raised as error:
        if error.is_a("Refused"):
            return "refused"
        _crash("settle", error)
        raise


def _desk(student: Student, tricks: Tricks, rows: list[tuple[str, list[Deposit], Deposit, object]]) -> None:
    """Each row: a story, what was seen, what comes, what the desk must say."""
    tricks.chance.shuffle(rows)
    for story, seen, deposit, right in rows:
        others = [tricks.deposit(tricks.purse()) for _ in range(tricks.chance.randrange(3))]
        all_seen = list(seen)
        for other in others:
            all_seen.insert(tricks.chance.randrange(len(all_seen) + 1), other)
        said = _settle(student, tricks, all_seen, deposit)
        student.note("", story)
        need(said == right, "desk_said", story=Key(f"story.{story}"), said=_told(said), right=_told(right))


def _told(said: object) -> str:
    if said == NOBODY:
        return Key("told.cheat_nobody")
    if isinstance(said, tuple) and len(said) == 2 and isinstance(said[1], bytes):
        return f"{said[0]} {said[1].hex()[:8]}".strip()
    return repr(said)[:60]


CREDIT, REPLAY, NOBODY = ("credit", b""), ("replay", b""), ("cheat", b"")


def test_settle_credits_and_knows_replays(student: Student, seed: int) -> None:
    """Coins that were not seen, and deposits that were."""
    tricks = Tricks(seed)
    rows: list[tuple[str, list[Deposit], Deposit, object]] = []
    for _ in range(2):
        rows.append(("a_new_coin", [], tricks.deposit(tricks.purse()), CREDIT))
        deposit = tricks.deposit(tricks.purse())
        rows.append(("handed_in_twice", [deposit], deposit, REPLAY))
    rows.append(("the_same_halves", *_same(tricks), REPLAY))
    both = list(tricks.twice(tricks.purse()))
    rows += [("one_of_two_again", both, again, REPLAY) for again in both]
    wrong = tricks.chance.sample(tricks.payments(), 5)
    rows += [(paid.story, [], paid.deposit, "refused") for paid in wrong]
    _desk(student, tricks, rows)


def _same(tricks: Tricks) -> tuple[list[Deposit], Deposit]:
    """Another shop whose challenge happens to ask for the same halves, found among some 65 000 nonces."""
    first, second = tricks.twice(tricks.purse(), [0] * PAIRS)
    return [first], second


def test_settle_names_the_cheat(student: Student, seed: int) -> None:
    """A coin in two shops or three, also with a few false halves."""
    tricks = Tricks(seed)
    rows: list[tuple[str, list[Deposit], Deposit, object]] = []
    for _ in range(3):
        identity = tricks.chance.choice(tricks.customers)
        first, second = tricks.twice(tricks.purse([identity] * PAIRS))
        rows.append(("spent_twice", [first], second, ("cheat", identity)))
    identity, other = tricks.chance.sample(tricks.customers, 2)
    purse = tricks.purse([identity] * PAIRS)
    first, second = tricks.twice(purse)
    third = tricks.deposit(purse, first[0])
    rows.append(("spent_three_times", [first, second], third, ("cheat", identity)))
    few = tricks.purse([other] * 3 + [identity] * (PAIRS - 3))
    places = [secret[0] == identity for secret in few.secrets]
    want = [1 if own else -1 for own in places]
    keep = [place for place, own in enumerate(places) if own]
    for place in keep[7:]:
        want[place] = -1
    rows.append(("a_few_false_halves", *_pair(tricks, few, want), ("cheat", identity)))
    _desk(student, tricks, rows)


def _pair(tricks: Tricks, purse: object, want: list[int]) -> tuple[list[Deposit], Deposit]:
    first, second = tricks.twice(purse, want)  # type: ignore[arg-type]
    return [first], second


def test_settle_never_names_the_honest(student: Student, seed: int) -> None:
    """Framed halves, strangers, shops that change what they got."""
    tricks = Tricks(seed)
    rows: list[tuple[str, list[Deposit], Deposit, object]] = []
    cheat, honest = tricks.chance.sample(tricks.customers, 2)
    half = tricks.purse([cheat] * (PAIRS // 2) + [honest] * (PAIRS // 2))
    mine = [place for place, secret in enumerate(half.secrets) if secret[0] == cheat]
    theirs = [place for place, secret in enumerate(half.secrets) if secret[0] == honest]
    tied = [0] * PAIRS
    for place in (*mine[:4], *theirs[:4]):
        tied[place] = 1
    rows.append(("as_many_false_halves", *_pair(tricks, half, tied), NOBODY))
    strangers = tricks.purse([honest] * 4 + [identity_of(f"nobody {place}") for place in range(PAIRS - 4)])
    few = [-1] * PAIRS
    theirs = [place for place, secret in enumerate(strangers.secrets) if secret[0] == honest]
    nobodies = [place for place in range(PAIRS) if place not in theirs]
    for place in (*theirs[:3], *nobodies[:8]):
        few[place] = 1
    rows.append(("strangers_halves", *_pair(tricks, strangers, few), NOBODY))
    nobody = tricks.purse([identity_of("nobody at all")] * PAIRS)
    rows.append(("a_strangers_coin", *_pair(tricks, nobody, []), NOBODY))
    rows += _changed(tricks)
    _desk(student, tricks, rows)


def _changed(tricks: Tricks) -> list[tuple[str, list[Deposit], Deposit, object]]:
    """What a shop can do to the honest payment it got, to be paid twice or to have a customer named."""
    purse = tricks.purse()
    shop, nonce, coin, answers = tricks.deposit(purse)
    first = (shop, nonce, coin, answers)
    new = tricks.nonce_where(shop, sides(challenge_of(shop, nonce)), [1, *[-1] * (PAIRS - 1)])
    turned = (coin[0][::-1], coin[1])
    framed = tuple((bytes(32), salt) for _, salt in answers)
    return [
        ("answers_to_another_nonce", [first], (shop, new, coin, answers), "refused"),
        ("pairs_in_another_order", [first], (shop, nonce, turned, answers[::-1]), "refused"),
        ("a_half_that_does_not_fit", [first], (shop, new, coin, framed), "refused"),
        ("handed_in_twice", [first], first, REPLAY),
    ]
