"""An attack on the tax office's desk that a review found to succeed."""

from tests.cbdc.test_tax import TAX, Office, code_of


def test_an_invoice_that_was_corrected_proves_no_more_than_it_says_now() -> None:
    office = Office("paid")
    document = office.invoice(1, "b", "a")
    office.pay(1, "a", "b")
    office.invoice(1, "b", "a", tax_tiyn=100)
    assert code_of(lambda: office.claim(1, "a", document, amount_tiyn=TAX)) == "E_TAX_UNPAID"
    assert office.claim(2, "a", document, amount_tiyn=100) == 100
    # Nor does it prove it twice when it is raised again.
    office.invoice(1, "b", "a")
    assert code_of(lambda: office.claim(3, "a", document, amount_tiyn=TAX)) == "E_TAX_UNPAID"
    assert office.claim(4, "a", document, amount_tiyn=TAX - 100) == TAX - 100
