"""Every planted bug, in the order of docs/mutants.md. The bugs themselves stand in the modules beside this, as data."""

from tests.mutants import (
    plants_banking,
    plants_browser,
    plants_browser_protocol,
    plants_bulk,
    plants_centre,
    plants_channel,
    plants_court,
    plants_elements,
    plants_forms,
    plants_graph,
    plants_journal,
    plants_lab,
    plants_ledger,
    plants_links,
    plants_losses,
    plants_marks,
    plants_steps,
    plants_wallets,
)

FIELDS = (
    *plants_forms.FIELDS,
    *plants_marks.FIELDS,
    *plants_ledger.FIELDS,
    *plants_journal.FIELDS,
    *plants_steps.FIELDS,
    *plants_elements.FIELDS,
    *plants_channel.FIELDS,
    *plants_court.FIELDS,
    *plants_graph.FIELDS,
    *plants_centre.FIELDS,
    *plants_bulk.FIELDS,
    *plants_losses.FIELDS,
    *plants_links.FIELDS,
    *plants_wallets.FIELDS,
    *plants_banking.FIELDS,
    *plants_lab.FIELDS,
    *plants_browser.FIELDS,
    *plants_browser_protocol.FIELDS,
)
PLANTS = tuple(plant for field in FIELDS for plant in field.plants)
