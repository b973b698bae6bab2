"""Wrong answers to exercise 14: guesses, coins that name their holder, and three parties that lack one look."""

from tests.exercises.answers import Changed, Rewritten

HONEST = "check_payment_accepts_honest_payments"
PAYEE = "check_payment_refuses_others"
CUT_HONEST = "cut_lets_honest_withdrawals_pass"
CUT = "cut_refuses_lies"
CUT_RANGE = "cut_looks_at_what_it_does_not_open"
FORESEEN = "cut_cannot_be_foreseen"
CREDIT = "settle_credits_and_knows_replays"
NAMES = "settle_names_the_cheat"
NEVER = "settle_never_names_the_honest"

_PLACES = "places = sorted(random.Random(chance).sample(range(CANDIDATES), PAIRS))"
_VOTE = 'return "cheat", identity if identity in customers and 2 * count > differing else b""'
_ORDER = "if any(one >= other for one, other in pairwise(pairs)):"
_LENGTHS = "if len(half) != 32 or len(salt) != 32:"
_OPENED = "if any(len(part) != 32 for part in (a, left, right)) or not 1 < factor < public[0]:"
_FIRST_SHOPS = (
    "street = arguments[0]\n"
    "    shops = {order}\n"
    "    for shop in shops:\n"
    "        street.pay(shop, street.purse.coin, street.purse.answers(street.ask(shop)))\n"
    "    return shops"
)

WRONG = [
    Changed("all quotients", "if count[factor] > 1", "if count[factor] > 0", "link_by_factor"),
    Changed("the other way round", "if count[factor] > 1", "if count[factor] == 1", "link_by_factor"),
    Changed(
        "divides by the signature",
        "pow(encoded_number(public, signature), -1, n)",
        'pow(int.from_bytes(signature, "big"), -1, n)',
        "link_by_factor",
    ),
    Changed("any time", " and 0 < paid - minute <= WINDOW_MINUTES", "", "link_by_pattern"),
    Changed(
        "also from the future",
        "0 < paid - minute <= WINDOW_MINUTES",
        "abs(paid - minute) <= WINDOW_MINUTES",
        "link_by_pattern",
    ),
    Changed("any coins", "if had == coins and 0", "if 0", "link_by_pattern"),
    Changed("guesses among several", "if len(who) == 1:", "if who:", "link_by_pattern"),
    Rewritten("names nobody", {"link_by_pattern": "return {}"}, "link_by_pattern"),
    Rewritten(
        "two shops as they come",
        {"spend_twice": _FIRST_SHOPS.format(order="street.shops()[:2]")},
        "spend_twice",
    ),
    Rewritten("one shop", {"spend_twice": _FIRST_SHOPS.format(order="street.shops()[:1]")}, "spend_twice"),
    Rewritten("names two shops", {"spend_twice": "return arguments[0].shops()[:2]"}, "spend_twice"),
    Changed("an honest coin", "mint.you if place in opened else mint.neighbour", "mint.you", "plant"),
    Changed("lies everywhere", "mint.you if place in opened else mint.neighbour", "mint.neighbour", "plant"),
    Changed("number of the last time", "(place * 7 + number) % 4", "(place * 7 + number - 1) % 4", "plant"),
    Changed(
        "half the truth",
        "return math.comb(candidates - planted, opened), math.comb(candidates, opened)",
        "return 1, 2**planted",
        "escape_chance",
    ),
    Changed(
        "a fraction",
        "return math.comb(candidates - planted, opened), math.comb(candidates, opened)",
        "return math.comb(candidates - planted, opened) / math.comb(candidates, opened)",
        "escape_chance",
    ),
    Rewritten("takes everything", {"check_payment": "return None"}, PAYEE),
    Rewritten("takes nothing", {"check_payment": "raise Refused('no')"}, HONEST),
    Changed(
        "any number of pairs",
        "if len(pairs) != PAIRS or len(answers) != PAIRS or any",
        "if len(pairs) != len(answers) or any",
        PAYEE,
    ),
    Changed("any order", _ORDER, "if False:", PAYEE),
    Changed("a pair twice", _ORDER, "if any(one > other for one, other in pairwise(pairs)):", PAYEE),
    Changed("any length of signature", "if len(signature) != modulus_bytes(public) or", "if", PAYEE),
    Changed("nobody signed", "if not signature_fits(public, (tuple(pairs), signature)):", "if False:", PAYEE),
    Changed("any length of halves", _LENGTHS, "if False:", PAYEE),
    Changed(
        "either half",
        "if commitment(side, half, salt) != pair[side]:",
        "if commitment(0, half, salt) != pair[0] and commitment(1, half, salt) != pair[1]:",
        PAYEE,
    ),
    Changed(
        "any shop",
        "sides(challenge_of(shop, nonce)), answers, strict",
        "sides(challenge_of(b'tea', nonce)), answers, strict",
        HONEST,
    ),
    Changed("opens the first half", _PLACES, "places = list(range(PAIRS))", FORESEEN),
    Changed(
        "opens one of two halves", _PLACES, "places = list(range(chance[0] % 2, CANDIDATES, 2))", FORESEEN
    ),
    Changed(
        "turns by a few",
        _PLACES,
        "places = sorted((chance[0] + one) % CANDIDATES for one in range(PAIRS))",
        FORESEEN,
    ),
    Changed(
        "chance of its own", _PLACES, "places = sorted(random.sample(range(CANDIDATES), PAIRS))", FORESEEN
    ),
    Changed(
        "opens a few",
        _PLACES,
        "places = sorted(random.Random(chance).sample(range(CANDIDATES), 4))",
        CUT_HONEST,
    ),
    Changed(
        "signs all",
        "return [place for place in range(CANDIDATES) if place not in places]",
        "return list(range(CANDIDATES))",
        CUT_HONEST,
    ),
    Changed(
        "looks at nothing",
        "if blinded_number(public, pair_of(identity, a, left, right), factor) != blinded[place]:",
        "if False:",
        CUT,
    ),
    Changed("any opening", _OPENED, "if False:", CUT),
    Changed("salts of any length", _OPENED, "if len(a) != 32 or not 1 < factor < public[0]:", CUT),
    Changed("any factor", _OPENED, "if any(len(part) != 32 for part in (a, left, right)):", CUT),
    Changed(
        "blinded numbers of any size",
        "if any(not 0 < number < public[0] for number in blinded):",
        "if False:",
        CUT_RANGE,
    ),
    Changed(
        "blinded numbers below nothing",
        "if any(not 0 < number < public[0] for number in blinded):",
        "if any(number >= public[0] for number in blinded):",
        CUT_RANGE,
    ),
    Changed("only numbers are compared", "if len(pairs) != PAIRS:", "if False:", CUT),
    Changed("only opened pairs are compared", " or len(set(blinded)) != CANDIDATES:", ":", CUT_RANGE),
    Changed(
        "looks at the first earlier payment",
        "        known = True\n",
        "        if known:\n            break\n        known = True\n",
        CREDIT,
    ),
    Changed(
        "looks at the last earlier payment",
        " in seen:\n",
        " in [one for one in seen if coin_id(one[2]) == coin_id(coin)][-1:]:\n",
        CREDIT,
    ),
    Rewritten(
        "signs nothing", {"cut": "arguments[-1].open(list(range(16)))\n    raise Refused('no')"}, CUT_HONEST
    ),
    Changed(
        "the desk believes the shop",
        "    check_payment(public, shop, nonce, coin, answers)\n    asked",
        "    asked",
        CREDIT,
    ),
    Changed("credits always", "if not known:", "if True:", NAMES),
    Changed("replays are cheats", 'return "replay", b""', "pass", CREDIT),
    Changed("the seen coin is the last", "if coin_id(other_coin) != coin_id(coin):", "if False:", CREDIT),
    Changed("names nobody, ever", _VOTE, 'return "cheat", b""', NAMES),
    Changed("all places must agree", "2 * count > differing", "count == differing", NAMES),
    Changed("names whom most halves name", "2 * count > differing", "count", NEVER),
    Changed("names anybody", "identity in customers and 2", "2", NEVER),
    Changed("a tie is enough", "2 * count > differing", "2 * count >= differing", NEVER),
    Rewritten("names the first customer", {"settle": "return 'cheat', arguments[1][0]"}, NEVER),
]
