"""Wrong answers to replay a payment: replays that are none, and tills and phones that lack one rule."""

from tests.exercises.answers import Changed, Rewritten

_FIELDS = "network, purpose, number, payer, payee, amount_tiyn = arguments"
_BOOKED = "book.commit(number, digest, answer, payer, payee, amount_tiyn)"
_MOVE, _KEEP = "book.move(payer, payee, amount_tiyn)", "book.remember(number, digest, answer)"
_OPEN = "return [_finish(tuple(order), diary, road) for order in diary.open_orders()]"
_SAVED = "    diary.write(order)\n"

WRONG = [
    Rewritten(
        "waits for the night", {"with_another_number": "tomorrow(arguments[0])"}, "with_another_number"
    ),
    Rewritten("another number tomorrow", {"tomorrow": "with_another_number(arguments[0])"}, "tomorrow"),
    Rewritten("no play money", {"with_play_money": "with_a_slip(arguments[0])"}, "with_play_money"),
    Rewritten("no slip", {"with_a_slip": "with_play_money(arguments[0])"}, "with_a_slip"),
    Rewritten(
        "joined without borders",
        {
            "message": f"{_FIELDS}\n    return repr(arguments[2]).encode() + network + "
            "(purpose + payer + payee + str(amount_tiyn)).encode()"
        },
        "message",
    ),
    Rewritten(
        "joined with a bar",
        {
            "message": f"{_FIELDS}\n    return b'|'.join((network, purpose.encode(), number, "
            "payer.encode(), payee.encode(), str(amount_tiyn).encode()))"
        },
        "message",
    ),
    Rewritten("a list as text", {"message": "return ', '.join(map(str, arguments)).encode()"}, "message"),
    Rewritten(
        "a short amount",
        {
            "message": f"{_FIELDS}\n    return repr((network, purpose, number, payer, payee, "
            "amount_tiyn % 2**32)).encode()"
        },
        "message",
    ),
    Changed("forgets the purpose", "network, purpose.encode(), number,", "network, number,", "message"),
    Changed("any network", "network != NETWORK or ", "", "handle_refuses"),
    Changed("any purpose", "purpose != PURPOSE or ", "", "handle_refuses"),
    Changed("any amount", "amount_tiyn < 1", "amount_tiyn is None", "handle_refuses"),
    Changed("no signature", 'raise Wrong("not the payer\'s signature") from error', "pass", "handle_refuses"),
    Changed("no balance", "if book.balance(payer) < amount_tiyn:", "if False:", "handle_refuses"),
    Changed("no memory", "if known is not None:", "if False:", "handle_books_once"),
    Changed(
        "any order under a number", "if known[0] != digest:", "if False:", "handle_knows_a_reused_number"
    ),
    Changed("another answer", "return known[1]", "return known[1] + '!'", "handle_books_once"),
    Changed(
        "move, then remember",
        _BOOKED,
        f"{_MOVE}\n    {_KEEP}",
        "handle_survives_every_cut",
    ),
    Changed(
        "remember, then move",
        _BOOKED,
        f"{_KEEP}\n    {_MOVE}",
        "handle_survives_every_cut",
    ),
    Changed(
        "balance before memory",
        "    known = book.find(number)\n",
        "    if book.balance(payer) < amount_tiyn:\n"
        "        raise Wrong('not enough')\n    known = book.find(number)\n",
        "handle_survives_every_cut",
    ),
    Changed(
        "swallows the cut",
        _BOOKED,
        f"try:\n        {_BOOKED}\n    except Exception:\n        pass",
        "handle_survives_every_cut",
    ),
    Changed("sends before it saves", _SAVED, "", "pay_and_resume"),
    Changed("never notes the answer", "    diary.done(order[2], answer)\n", "", "pay_and_resume"),
    Rewritten("resume does nothing", {"resume": "return []"}, "resume_brings_all_to_their_end"),
    Changed(
        "a new number",
        _OPEN,
        "answers = []\n    for order in diary.open_orders():\n"
        "        answers.append(_finish((*order[:2], diary.new_number(), *order[3:]), diary, road))\n"
        "    return answers",
        "pay_and_resume",
    ),
    Rewritten("books nothing", {"handle": "raise Wrong('no')"}, "handle_books_once"),
    Rewritten(
        "accepts all",
        {
            "handle": "order, keys, book = arguments\n    book.move(order[3], order[4], order[5])\n"
            "    return 'booked'"
        },
        "handle_books_once",
    ),
]
