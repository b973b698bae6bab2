"""Templates of purposes, from which the treasury's desk makes marks: a few figures in, a definition's parts out.

    school-meals    people pay shops, a cap a payment and a day; the mark ends at the shop; offline up to so many hops
    railway-works   shops pay shops along a chain; a contractor frees 19/20 of what accepted acts prove, the rest is
                    retained until a second document (the end of the warranty) frees it; never offline
    farm-subsidy    people pay shops for listed goods only, once in all so much; then it is free; never offline
    relief          people pay people and shops, also offline from hand to hand; the mark ends at the shop

People and shops are the categories that this site's banks register. The figures are assumptions of this sandbox; the
shapes follow the published pilots (docs/domain.md, programmability), which the scripted pilots play in full.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cbdc.clause import DAY, EVER, PAYER, Clause
from cbdc.clauses import Drops, Goods, Period, Release
from cbdc.errors import Refused
from cbdc.token import MERCHANT, PERSON, TREASURY_ACCOUNT
from wallets.site.operations import N_

ACT = 1
WARRANTY = 2
FEED_AND_SEED = ((1_000, 1_999),)
RELEASED_PARTS, ALL_PARTS = 19, 20

Edges = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A purpose: its name, what it is in a sentence, and which figures it asks for."""

    name: str
    title: str
    text: str
    asks_day_cap: bool = False
    asks_total_cap: bool = False
    offline: bool = False
    documents: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What the form says: caps in tiyn (0: none), and the most hops offline (0: not offline)."""

    payment_cap_tiyn: int = 0
    period_cap_tiyn: int = 0
    hops: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a definition that a template decides."""

    edges: Edges
    clauses: tuple[Clause, ...]
    release_categories: tuple[int, ...] = ()
    person_to_person: bool = False
    max_hops: int = 0


TEMPLATES: Mapping[str, Template] = {
    one.name: one
    for one in (
        Template(
            "school-meals",
            N_("School meals"),
            N_("Parents pay the canteen, within a cap a day. The canteen gets free money."),
            asks_day_cap=True,
            offline=True,
        ),
        Template(
            "railway-works",
            N_("Railway works"),
            N_(
                "Contractors pay each other. Accepted acts free 19/20 of what they prove; the rest is retained."
            ),
            documents=True,
        ),
        Template(
            "farm-subsidy",
            N_("Farm subsidy"),
            N_("Farmers buy feed and seed only, up to a sum in all. The seller gets free money."),
            asks_total_cap=True,
        ),
        Template(
            "relief",
            N_("Relief after a disaster"),
            N_("People may pass it on, also with no network. Shops get free money."),
            offline=True,
        ),
    )
}


def template(name: str) -> Template:
    """The template of this name; E_TREASURY_TEMPLATE."""
    if name not in TEMPLATES:
        raise Refused("E_TREASURY_TEMPLATE", name=name[:40], known=", ".join(TEMPLATES))
    return TEMPLATES[name]


def parts_of(name: str, figures: Figures, register: bytes) -> Parts:
    """What a template makes of the figures; `register` is the key id of the register that accepts acts."""
    kind = template(name)
    hops = figures.hops if kind.offline else 0
    to_people: Edges = ((TREASURY_ACCOUNT, (PERSON,)), (PERSON, (MERCHANT,)))
    ends = Drops("final payee", (), (MERCHANT,))
    if name == "school-meals":
        clauses: tuple[Clause, ...] = (ends,)
        if figures.period_cap_tiyn and not hops:
            clauses += (Period("day", (PERSON,), (MERCHANT,), DAY, PAYER, figures.period_cap_tiyn),)
        return Parts(to_people, clauses if not hops else (), (MERCHANT,) if hops else (), False, hops)
    if name == "farm-subsidy":
        clauses = (Goods("feed and seed", (PERSON,), (MERCHANT,), 1, FEED_AND_SEED), ends)
        if figures.period_cap_tiyn:
            clauses += (Period("in all", (PERSON,), (MERCHANT,), EVER, PAYER, figures.period_cap_tiyn),)
        return Parts(to_people, clauses)
    if name == "relief":
        edges: Edges = ((TREASURY_ACCOUNT, (PERSON,)), (PERSON, (PERSON, MERCHANT)))
        return Parts(edges, () if hops else (ends,), (MERCHANT,), True, hops)
    chain: Edges = ((TREASURY_ACCOUNT, (MERCHANT,)), (MERCHANT, (MERCHANT,)))
    retained = ALL_PARTS - RELEASED_PARTS
    clauses = (
        Release("accepted act", (MERCHANT,), (), register, ACT, RELEASED_PARTS, ALL_PARTS),
        Release("end of warranty", (MERCHANT,), (), register, WARRANTY, retained, ALL_PARTS),
    )
    return Parts(chain, clauses, (MERCHANT,))
