"""Vectors of tiers that TRUST closes (A5, section 5.12), on the ordinary line of a scene."""

from offline.parameters import CLOSED_TIERS, REJECT_REVOKED_ANCESTOR
from offline.records import TIER_SE, TIER_SW, TIER_TEE
from tests.vectors.make_certificates import with_trust
from tests.vectors.scene import Scene, Token

LENIENT = (REJECT_REVOKED_ANCESTOR.id, 0)


def closed_tiers(scene: Scene) -> None:
    """Offers of a line while a tier is closed: the holder's, another, an earlier holder's."""
    tokens: list[Token] = [(scene.note, [scene.first, scene.second])]
    hard = [scene.a, scene.b, scene.c]
    soft = [scene.device("A", tier=TIER_SW), scene.b, scene.c]
    software = (CLOSED_TIERS.id, 1 << TIER_SW)
    for id, what, people, policy, expect in (
        ("", "the holder's tier is closed", hard, ((CLOSED_TIERS.id, 1 << TIER_SE),), "E_TIER_CLOSED"),
        ("-other", "another tier is closed", hard, ((CLOSED_TIERS.id, 1 << TIER_TEE),), "ok"),
        ("-earlier", "an earlier holder's tier is closed", soft, (software,), "E_TIER_CLOSED"),
        ("-lenient", "the same where the policy lets it pass", soft, (software, LENIENT), "ok"),
    ):
        trust = with_trust(scene.world, policy=policy)
        scene.offer(f"A5-tier{id}", what, people, tokens, expect, trust=trust)
