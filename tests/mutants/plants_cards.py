"""Bugs to plant: cards in the browser wallet, and a shop's simulated terminal."""

from tests.mutants.plant import Field, bugs

CARDED = ("tests/site/test_wallet_cards.py",)

WALLET_CARDS = Field(
    "Cards of a browser wallet: whose they are, one touch for one amount, the newer word counts",
    (
        *bugs(
            "wallets/site/cards.py",
            CARDED,
            (
                "card-of-anybody",
                "Whoever knows a card's id freezes it.",
                "        if id not in self._ids(_OF_WALLET, kid):",
                "        if False:",
            ),
            (
                "touch-for-any-amount",
                "A till takes another amount than the holder held the card for.",
                "        if holding is None or holding.amount_tiyn != amount_tiyn:",
                "        if holding is None:",
            ),
            (
                "touch-that-stays",
                "A card that was held to a terminal pays there hours later.",
                "        if self._clock.now() > holding.time + HELD_SECONDS:",
                "        if False:",
            ),
            (
                "cards-without-end",
                "A wallet gets one card more than it may.",
                "            if len(known) >= MOST_CARDS:",
                "            if len(known) > MOST_CARDS:",
            ),
        ),
        *bugs(
            "wallets/site/wallet_cards.py",
            CARDED,
            (
                "old-word-unfreezes",
                "A word that was listened to unfreezes a card again.",
                "        if said.time < last or (said.time == last and wish != frozen):",
                "        if False:",
            ),
        ),
    ),
)

FIELDS = (WALLET_CARDS,)
