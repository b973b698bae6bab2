"""Wrong answers to divert marked money: tricks that are others, and judges that lack one rule."""

from tests.exercises.answers import Changed, Rewritten

_KEY = "key = (one.register, payment.payee.name, document)"
_FREE_KEY = "key = (one.register, holder.name, document)"
_LISTED = 'facts.get((one.register, payment.payee.name, ""))'

WRONG = [
    Rewritten("change for the chain", {"down_the_chain": "with_the_change(arguments[0])"}, "down_the_chain"),
    Rewritten("a refund for change", {"with_the_change": "by_a_refund(arguments[0])"}, "with_the_change"),
    Rewritten("change for a mixture", {"by_mixing": "with_the_change(arguments[0])"}, "by_mixing"),
    Rewritten("change for a refund", {"by_a_refund": "with_the_change(arguments[0])"}, "by_a_refund"),
    Rewritten(
        "one act for an own act",
        {"with_an_act_of_your_own": "with_one_act_many_times(arguments[0])"},
        "with_an_act_of_your_own",
    ),
    Rewritten(
        "an own act for one act",
        {"with_one_act_many_times": "with_an_act_of_your_own(arguments[0])"},
        "with_one_act_many_times",
    ),
    Rewritten(
        "no firm of today", {"with_a_firm_of_today": "by_mixing(arguments[0])"}, "with_a_firm_of_today"
    ),
    Changed(
        "pays too little",
        "while road.paid_to_jeweller() < road.wanted_tiyn:",
        "for _ in range(2):",
        "with_one_act_many_times",
    ),
    Changed("first hop only", "allowed = any(", "allowed = sides[0] != 31 or any(", "judge"),
    Changed(
        "the payee's category only",
        "sides[0] == payer and sides[1] in payees",
        "sides[1] in payees",
        "judge_a_strange_mark",
    ),
    Changed(
        "any writer",
        _LISTED,
        'next((fact for key, fact in facts.items() if key[1:] == (payment.payee.name, "")), None)',
        "judge",
    ),
    Changed(
        "never asks licences",
        'return "" if _stands(fact, payment.now) else "E_MARK_LISTED"',
        'return ""',
        "judge",
    ),
    Changed("for ever", "and now <= fact.expires", "", "judge"),
    Changed("the last second is over", "and now <= fact.expires", "and now < fact.expires", "judge"),
    Changed("taken back still stands", "fact.standing == 1 and ", "", "judge"),
    Changed(
        "each time it is named",
        "in dict.fromkeys(payment.documents):",
        "in payment.documents + ('',):",
        "judge_a_strange_mark",
    ),
    Changed(
        "acts about anybody",
        _KEY,
        f"{_KEY}\n        key = next((one_key for one_key in facts if one_key[::2] == key[::2]), key)",
        "judge",
    ),
    Changed(
        "forgets what was used",
        "max(0, facts[key].amount_tiyn - used.get(key, 0))",
        "facts[key].amount_tiyn",
        "a_year_of_payments",
    ),
    Changed(
        "less than nothing left",
        "max(0, facts[key].amount_tiyn - used.get(key, 0))",
        "facts[key].amount_tiyn - used.get(key, 0)",
        "judge",
    ),
    Changed("a tiyn too strict", "sum(left.values()) >= payment", "sum(left.values()) > payment", "judge"),
    Changed(
        "a cap too strict",
        "payment.amount_tiyn > mark.cap_tiyn",
        "payment.amount_tiyn >= mark.cap_tiyn",
        "judge",
    ),
    Changed("no cap", '"E_MARK_CAP" if over else ""', '""', "judge"),
    Changed("no cap means nothing", "mark.cap_tiyn and ", "", "judge_a_strange_mark"),
    Changed(
        "no season", 'return "" if first <= payment.now <= last else "E_MARK_TIME"', 'return ""', "judge"
    ),
    Changed(
        "stops at the first refusal",
        "return found + [",
        "if any(code for _, code in found):\n        return found\n    return found + [",
        "judge",
    ),
    Changed(
        "every clause is asked", "for one in asked if _covers(one, payment)]", "for one in asked]", "judge"
    ),
    Changed(
        "clauses by name",
        "for one in mark.clauses if one.kind not in",
        "for one in sorted(mark.clauses, key=str) if one.kind not in",
        "judge",
    ),
    Rewritten("allows all", {"judge": "return [('time', ''), ('edges', ''), ('cap', '')]"}, "judge"),
    Rewritten(
        "refuses all", {"judge": "return [('time', 'E_MARK_TIME'), ('edges', ''), ('cap', '')]"}, "judge"
    ),
    Changed(
        "used by refused payments",
        "if any(code for _, code in judge(mark, payment, facts, used)):",
        "if False:",
        "uses",
    ),
    Changed(
        "two clauses take twice",
        "taken[key] = max(part, taken.get(key, 0))",
        "taken[key] = part + taken.get(key, 0)",
        "uses",
    ),
    Changed(
        "from the last act first",
        "in _left(one, payment, facts, used).items():",
        "in reversed(_left(one, payment, facts, used).items()):",
        "uses",
    ),
    Changed(
        "mixes", "any(label != mark.label for _, label in coins)", "coins[0][1] != mark.label", "outputs"
    ),
    Changed(
        "change is free",
        "total - payment.amount_tiyn, mark.label))",
        "total - payment.amount_tiyn, ''))",
        "outputs",
    ),
    Changed("the mark never ends", '"" if ends else mark.label)]', "mark.label)]", "outputs"),
    Changed("the mark always ends", '"" if ends else mark.label)]', "'')]", "outputs"),
    Changed("change of nothing", "if total > payment.amount_tiyn:", "if True:", "outputs"),
    Changed("an empty payment", "not 1 <= payment.amount_tiyn", "not payment.amount_tiyn", "outputs"),
    Changed(
        "nothing retained",
        "facts[key].amount_tiyn * numerator // denominator",
        "facts[key].amount_tiyn",
        "free",
    ),
    Changed(
        "retained of what is left",
        "allowed = facts[key].amount_tiyn * numerator // denominator",
        "allowed = (facts[key].amount_tiyn - used.get(key, 0)) * numerator // denominator + used.get(key, 0)",
        "free",
    ),
    Changed("one act twice in a release", " - taken.get(key, 0)))", "))", "free"),
    Changed(
        "anybody frees",
        "or (one.payers and holder.category not in one.payers)",
        "",
        "refuses_by_its_own_words",
    ),
    Changed("any act frees", _FREE_KEY, "key = (holder.name, holder.name, document)", "free"),
    Changed(
        "frees all", "    if rest:\n        raise Refused", "    if False:\n        raise Refused", "free"
    ),
    Changed(
        "cut from the back",
        "source, size = line[0]",
        "line.reverse()\n                source, size = line[0]",
        "where_from",
    ),
    Rewritten(
        "in proportion",
        {
            "where_from": "book, coin = arguments\n"
            "    first = {made[0][0]: made[0][1] for spent, made in book if not spent}\n"
            "    size = {one: tiyn for _, made in book for one, tiyn in made}\n    total = sum(first.values())\n"
            "    return {one: tiyn * size[coin] // total for one, tiyn in first.items()}"
        },
        "where_from",
    ),
    Rewritten(
        "hops by recursion",
        {
            "where_from": "book, coin = arguments\n    from functools import cache\n"
            "    made = {one: (spent, rows) for spent, rows in book for one, _ in rows}\n"
            "    size = {one: tiyn for _, rows in book for one, tiyn in rows}\n"
            "    def line(one):\n        spent, rows = made[one]\n        if not spent:\n"
            "            return [one] * size[one]\n        before = 0\n        for other, tiyn in rows:\n"
            "            if other == one:\n                break\n            before += tiyn\n"
            "        return sum((line(each) for each in spent), [])[before:before + size[one]]\n"
            "    from collections import Counter\n    return dict(Counter(line(coin)))"
        },
        "where_from_in_a_long_book",
    ),
]
