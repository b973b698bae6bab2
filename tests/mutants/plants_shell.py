"""Bugs in what all pages of the site share: forms, words, charts."""

from tests.mutants.plant import Field, bugs

SHELL = Field(
    "What all pages share",
    bugs(
        "wallets/site/pages.py",
        ("tests/site/test_shell.py",),
        (
            "typed-values-in-another-form",
            "A refused approval comes back in the card of another request, and the next press approves the wrong one.",
            'which = derived("site form", name, repr(sorted(given.items()))).hex()[:16]',
            'which = ""',
        ),
        (
            "a-refusal-points-at-nothing",
            "Nobody sees which field was wrong.",
            "            if one.name == name:\n",
            '            if one.name == "":\n',
        ),
    )
    + bugs(
        "wallets/site/app.py",
        ("tests/site/test_shell.py",),
        (
            "the-address-loses-its-question",
            "Who changes the language of a search loses the search.",
            "urlencode({**request.args.to_dict(), name: value})",
            "urlencode({name: value})",
        ),
        (
            "any-text-is-a-colour",
            "What stands in an address comes back inside the page's first tag.",
            'g.theme = theme if theme in THEMES else ""',
            "g.theme = theme",
        ),
    )
    + bugs(
        "wallets/site/words.py",
        ("tests/site/test_spoken.py",),
        (
            "a-region-has-one-name",
            "What was cut off is named in English to everybody.",
            "told[name] = self.say(_now(), str(fact))",
            "told[name] = str(fact)",
        ),
    )
    + bugs(
        "wallets/site/whole.py",
        ("tests/site/test_spoken.py",),
        (
            "who-is-cut-off-reads-english",
            "A wallet without network is refused in English, whatever its person speaks.",
            'spoken = choose_language("", str(environ.get("HTTP_ACCEPT_LANGUAGE", "")))',
            'spoken = "en"',
        ),
    )
    + bugs(
        "wallets/site/words.py",
        ("tests/house/test_catalogues.py::test_amounts_are_written_as_people_write_them",),
        (
            "fifty-tiyn-are-five",
            "1 234,05 ₸ is shown as 1 234,5 ₸.",
            'cents = f"{point}{tiyn:02d}" if tiyn else ""',
            'cents = f"{point}{tiyn}" if tiyn else ""',
        ),
        (
            "a-loss-looks-like-a-gain",
            "A negative amount is shown without its sign.",
            "{'−' if amount_tiyn < 0 else ''}",
            "",
        ),
    )
    + bugs(
        "wallets/site/chart.py",
        ("tests/site/test_shell.py",),
        (
            "a-chart-without-its-last-day",
            "The figures beside a chart leave out its last day.",
            "for place in range(shown)",
            "for place in range(shown - 1)",
        ),
    ),
)
FIELDS = (SHELL,)
