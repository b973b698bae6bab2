"""The site's catalogues and the texts in its code: they must be the same.

    python -m tests.house.catalogues           tell what is missing
    python -m tests.house.catalogues --write   put new texts into the catalogues, take unused ones out, keep the rest;
                                               a text that another area has already comes with its translation

Texts are found by Babel in templates (`_("...")`), in Python (`_`, `N_`) and in the wallet's scripts (`t("...")`,
`tn("one", "many", number)`). A file belongs to an area, and each area has one catalogue a language. The server merges
them, so one English text has one translation, whatever area it stands in; the wallet's area alone stays apart.
"""

import io
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from tests.conftest import ROOT

SITE = ROOT / "wallets/site"
TRANSLATIONS = SITE / "translations"
LANGUAGES = ("kk", "ru")
PYTHON = {"_": None, "N_": None}
SCRIPT = {"t": None, "tn": (1, 2)}
Name = str | tuple[str, ...]
Said = str | tuple[str, ...]
JINJA_OPTIONS = {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}


def area_of(path: Path) -> str:
    """The area whose catalogue holds the texts of a file: a role, what desks share, the wallet, or the shell."""
    parts = path.relative_to(SITE).parts
    if parts[0] == "static":
        return "wallet"
    if parts[0] == "roles":
        return parts[1].removesuffix(".py").replace("_", "-").partition("--")[0]
    if parts[:2] == ("templates", "roles"):
        return parts[2] if len(parts) > 3 else "desks"
    return "shell"


def _sources() -> Iterator[tuple[Path, str]]:
    for path in sorted(SITE.rglob("*.py")):
        yield path, "python"
    for path in sorted((SITE / "templates").rglob("*.html")):
        yield path, "jinja2.ext:babel_extract"
    for folder in ("wallet", "device"):
        for path in sorted((SITE / "static" / folder).rglob("*.js")):
            yield path, "javascript"


def found() -> dict[str, Catalog]:
    """Every text in the code, as a catalogue for each area."""
    areas: dict[str, Catalog] = {}
    for path, method in _sources():
        keywords = SCRIPT if method == "javascript" else PYTHON | {"gettext": None, "ngettext": (1, 2)}
        options = JINJA_OPTIONS if "jinja2" in method else {}
        for _, message, _, _ in extract_from_file(method, path, keywords=keywords, options=options):
            areas.setdefault(area_of(path), Catalog()).add(message)
    return areas


def kept(language: str, area: str) -> Catalog:
    """The catalogue of an area as it is kept; empty where there is none."""
    path = TRANSLATIONS / language / f"{area}.po"
    if not path.exists():
        return Catalog(locale=language)
    return read_po(io.BytesIO(path.read_bytes()), locale=language)


def problems() -> list[str]:
    """What is missing, not sure, no longer used, or has other placeholders."""
    areas = found()
    told = []
    for language in LANGUAGES:
        for area, texts in sorted(areas.items()):
            told += [f"{language}/{area}: {problem}" for problem in _differences(texts, kept(language, area))]
        for path in sorted((TRANSLATIONS / language).glob("*.po")):
            if path.stem not in areas:
                told.append(f"{language}/{path.stem}: no code has texts of this area")
        told += [f"{language}: {problem}" for problem in _clashes(everywhere(language))]
        told += off_terms(language)
    return told


def off_terms(language: str) -> list[str]:
    """Texts that name a thing of the project otherwise than `terms.toml` says."""
    rows = tomllib.loads((ROOT / "tests/house/terms.toml").read_text(encoding="utf-8"))
    return [
        f"{language}: {english!r} says {term} as {form!r}"
        for name, said in everywhere(language).items()
        for english in ((name,) if isinstance(name, str) else name[:1])
        for term, row in rows.items()
        if re.search(term, english, re.IGNORECASE)
        for one in said
        for form in ((one,) if isinstance(one, str) else one)
        if not any(re.search(stem, form, re.IGNORECASE) for stem in row[language])
    ]


def everywhere(language: str) -> dict[Name, dict[Said, list[str]]]:
    """Every text of a language: what it is called, and in which areas it is called so."""
    texts: dict[Name, dict[Said, list[str]]] = {}
    for path in sorted((TRANSLATIONS / language).glob("*.po")):
        for message in kept(language, path.stem):
            if message.id and any(message.string):
                name = message.id if isinstance(message.id, str) else tuple(message.id)
                said = message.string if isinstance(message.string, str) else tuple(message.string)
                texts.setdefault(name, {}).setdefault(said, []).append(path.stem)
    return texts


def _clashes(texts: dict[Name, dict[Said, list[str]]]) -> Iterator[str]:
    for name, everywhere_said in texts.items():
        said = {form: areas for form, areas in everywhere_said.items() if areas != ["wallet"]}
        if len(said) > 1:
            yield f"{name!r} is called {' and '.join(f'{one!r} in {areas}' for one, areas in said.items())}"


def _differences(texts: Catalog, catalogue: Catalog) -> Iterator[str]:
    for message in texts:
        if not message.id:
            continue
        have = catalogue.get(message.id if isinstance(message.id, str) else message.id[0])
        if have is None or not have.string or (isinstance(have.string, tuple) and not all(have.string)):
            yield f"no translation of {message.id!r}"
        elif have.fuzzy:
            yield f"not sure of {message.id!r}"
        else:
            forms = have.string if isinstance(have.string, tuple) else (have.string,)
            first = message.id if isinstance(message.id, str) else message.id[1]
            if isinstance(message.id, tuple) and len(forms) != catalogue.num_plurals:
                yield f"{message.id!r} needs {catalogue.num_plurals} forms"
            for form in forms:
                if places(form) != places(first):
                    yield f"other placeholders than {message.id!r}: {form!r}"
    for message in catalogue:
        if message.id and texts.get(message.id if isinstance(message.id, str) else message.id[0]) is None:
            yield f"unused: {message.id!r}"


def places(text: str) -> set[str]:
    """The placeholders of a text: `{name}` and `%(name)s`."""
    return {a or b for a, b in re.findall(r"\{(\w+)\}|%\((\w+)\)s", text)}


def write() -> None:
    """Bring the catalogues up to date: new texts come in empty, unused ones go."""
    areas = found()
    for language in LANGUAGES:
        known = everywhere(language)
        for area, texts in areas.items():
            have, fresh = kept(language, area), Catalog(locale=language, fuzzy=False)
            for message in texts:
                if message.id:
                    old = have.get(message.id if isinstance(message.id, str) else message.id[0])
                    name = message.id if isinstance(message.id, str) else tuple(message.id)
                    said = (
                        old.string
                        if old is not None and any(old.string)
                        else next(iter(known.get(name, ())), "")
                    )
                    fresh.add(message.id, said)
            path = TRANSLATIONS / language / f"{area}.po"
            path.parent.mkdir(parents=True, exist_ok=True)
            data = io.BytesIO()
            write_po(data, fresh, omit_header=False, no_location=True, sort_output=True, width=118)
            path.write_text(_without_dates(data.getvalue().decode()), encoding="utf-8")
        for path in (TRANSLATIONS / language).glob("*.po"):
            if path.stem not in areas:
                path.unlink()


def _without_dates(text: str) -> str:
    """Only what gettext needs stays in the header, so that the same texts give the same file."""
    unwanted = ("Project-Id", "Report-", "POT-", "PO-", "Last-", "Language-Team", "Generated")
    _, _, body = text.partition('msgid ""\nmsgstr ""\n')
    lines = [line for line in body.split("\n") if not line.startswith(tuple(f'"{name}' for name in unwanted))]
    return 'msgid ""\nmsgstr ""\n' + "\n".join(lines)


def main(arguments: list[str]) -> int:
    """The command; 1 when something differs."""
    if "--write" in arguments:
        write()
    told = problems()
    for problem in told:
        print(problem)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
