"""Wrong answers to the wrapped amount: attacks that make nothing, and arithmetic that lacks one question."""

from tests.exercises.answers import Changed, Rewritten

_TYPES = "if type(amount) is not int or not 1 <= amount <= MOST_TIYN:"
_WEIGHTS = "any(type(one) is not int or not 0 <= one <= 1_000_000 for one in weights)"
_ORDER = "key=lambda place: (-parts[place][1], place)"
_HONEST = "granary.pay('narrow', [(granary.you, granary.balance('narrow', granary.you))])"

WRONG = [
    Rewritten("wraps nothing", {"wrap": f"granary = arguments[0]\n    {_HONEST}"}, "wrap"),
    Changed(
        "wraps for a friend",
        "[(granary.you, 2**64 - 1), (granary.friends[0], have + 1)]",
        "[(granary.friends[1], 2**64 - 1), (granary.friends[0], have + 1)]",
        "wrap",
    ),
    Changed("owes to itself", "(granary.friends[1], -(10**10))", "(granary.you, -(10**10))", "owe"),
    Changed("too few crumbs", "range(60)", "range(5)", "crumble"),
    Changed("crumbs that are none", "[1, 1, 1, 1, 0]", "[1, 1, 0, 0, 0]", "crumble"),
    Changed(
        "True is an amount",
        _TYPES,
        _TYPES.replace("type(amount) is not int", "not isinstance(amount, int)"),
        "check_outputs",
    ),
    Changed("no lower bound", _TYPES, "if type(amount) is not int or amount > MOST_TIYN:", "check_outputs"),
    Changed(
        "zero is an amount",
        _TYPES,
        _TYPES.replace("not 1 <=", "not 0 <="),
        "check_outputs",
    ),
    Changed("no upper bound", _TYPES, "if type(amount) is not int or not 1 <= amount:", "check_outputs"),
    Changed(
        "adds in 53 bits",
        "if sum(outputs) != have_tiyn:",
        "if sum(outputs) % 2**53 != have_tiyn:",
        "check_outputs",
    ),
    Changed("loses money", "if sum(outputs) != have_tiyn:", "if sum(outputs) > have_tiyn:", "check_outputs"),
    Changed("any container", "not isinstance(outputs, list) or not 1", "not 1", "check_outputs"),
    Changed("any count", "not 1 <= len(outputs) <= 16", "len(outputs) < 1", "check_outputs"),
    Rewritten("accepts all", {"check_outputs": "return None"}, "check_outputs"),
    Rewritten("refuses all", {"check_outputs": "raise Wrong('no')"}, "check_outputs"),
    Changed("the last of equal ones", _ORDER, "key=lambda place: (-parts[place][1], -place)", "share_out"),
    Changed("the smallest cut", _ORDER, "key=lambda place: (parts[place][1], place)", "share_out"),
    Changed("loses the rest", "        shares[place] += 1\n", "        shares[place] += 0\n", "share_out"),
    Changed("weights of any kind", _WEIGHTS, "any(one < 0 for one in weights)", "share_out_refuses"),
    Changed("nobody gets anything", "if whole == 0:", "if whole < 0:", "share_out_refuses"),
    Changed(
        "float shares",
        "divmod(amount_tiyn * one, whole)",
        "divmod(amount_tiyn * (one / whole), 1)",
        "share_out",
    ),
    Changed("other digits", ", re.ASCII)", ")", "read_tenge"),
    Changed("a dot and nothing", r"(\d{1,2}))?", r"(\d{0,2}))?", "read_tenge"),
    Changed("tiyn as a number", '.ljust(2, "0")', "", "read_tenge"),
    Changed("no bound", "if amount_tiyn > MOST_TIYN:", "if amount_tiyn < 0:", "read_tenge"),
    Changed("any groups", r"(\d{1,3}(?: \d{3})+|\d+)", r"([\d ]+)", "read_tenge"),
    Rewritten("by float", {"read_tenge": "return int(float(arguments[0]) * 100)"}, "read_tenge"),
]
