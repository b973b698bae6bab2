"""The messages of a corridor, shaped like ISO 20022: what each says, and where it says it.

    pain.001  a customer tells its bank to pay               pacs.002  how a payment stands
    pacs.008  a bank pays for a customer, to another bank    pacs.004  the money comes back
    pacs.009  a bank pays a bank: here, the offer of a       camt.056  please cancel        camt.029  no
              payment against payment, with its hash lock    camt.053  a statement of an account

Element names, their order and the namespaces are those of the versions named below, as far as we know them; each
message carries one payment and the fields that this sandbox uses, and no other element is taken. The business header
(head.001) says from whom, to whom, which kind, and repeats the message's id.

A payment keeps three ids from end to end: the customer's (`end_to_end`), the message's own, and the UETR, a UUID of
version 4 in form, which follows from the order's id: the same order has the same UETR at every repetition.
"""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from cbdc.cabinet import follow
from cbdc.errors import Malformed
from cbdc.rails.currency import Money
from cbdc.rails.layout import Layout, layout, read, write
from cbdc.rails.xml import ENVELOPE, HEADER, ISO, Writer, parse, split_name, validate

OPENING, CLOSING = "OPBD", "CLBD"
CREDIT, DEBIT = "CRDT", "DBIT"

ACCEPTED, IN_PROCESS, PENDING, CREDITED, SETTLED, REJECTED = ("ACTC", "ACSP", "PDNG", "ACCC", "ACSC", "RJCT")
"""Statuses of pacs.002: checked, settlement in process, pending, credited to the payee, settled, rejected."""


def uetr_of(id: bytes) -> str:
    """The UETR that follows from an order's id."""
    return str(uuid.UUID(bytes=follow("uetr", id)[:16], version=4))


def reference_of(id: bytes) -> str:
    """A reference of 32 characters that follows from an id; messages allow 35."""
    return id.hex()[:32]


@dataclass(frozen=True, slots=True)
class Body:
    """Base of the messages. `message_id` is the sender's, `created` a Unix second."""

    message_id: str
    created: int

    KIND: ClassVar[str] = ""
    ROOT: ClassVar[str] = ""
    LAYOUT: ClassVar[Layout] = ()


@dataclass(frozen=True, slots=True)
class Initiation(Body):
    """pain.001.001.09: the customer `debtor` orders its bank to pay `amount` on day `execution_date`.

    `contract` names the quote of the exchange rate.
    """

    order: str
    end_to_end: str
    uetr: str
    execution_date: int
    debtor: str
    debtor_account: str
    debtor_bank: str
    amount: Money
    contract: str
    creditor_bank: str
    creditor: str
    creditor_account: str
    remittance: str = ""

    KIND: ClassVar[str] = "pain.001.001.09"
    ROOT: ClassVar[str] = "CstmrCdtTrfInitn"
    LAYOUT: ClassVar[Layout] = layout("""
        GrpHdr/MsgId                                     message_id        text
        GrpHdr/CreDtTm                                   created           moment
        GrpHdr/NbOfTxs                                   = 1
        GrpHdr/InitgPty/Nm                               debtor            text
        PmtInf/PmtInfId                                  order             text
        PmtInf/PmtMtd                                    = TRF
        PmtInf/ReqdExctnDt/Dt                            execution_date    date
        PmtInf/Dbtr/Nm                                   debtor            text
        PmtInf/DbtrAcct/Id/Othr/Id                       debtor_account    text
        PmtInf/DbtrAgt/FinInstnId/BICFI                  debtor_bank       text
        PmtInf/CdtTrfTxInf/PmtId/EndToEndId              end_to_end        text
        PmtInf/CdtTrfTxInf/PmtId/UETR                    uetr              text
        PmtInf/CdtTrfTxInf/Amt/InstdAmt                  amount            money
        PmtInf/CdtTrfTxInf/XchgRateInf/CtrctId           contract          text
        PmtInf/CdtTrfTxInf/CdtrAgt/FinInstnId/BICFI      creditor_bank     text
        PmtInf/CdtTrfTxInf/Cdtr/Nm                       creditor          text
        PmtInf/CdtTrfTxInf/CdtrAcct/Id/Othr/Id           creditor_account  text
        PmtInf/CdtTrfTxInf/RmtInf/Ustrd                  remittance        text?
    """)


@dataclass(frozen=True, slots=True)
class CustomerTransfer(Body):
    """pacs.008.001.08: `amount` for the customer `creditor` at `creditor_bank`, to be settled on day `settlement_date`
    over the account that the sender has with the receiver."""

    end_to_end: str
    uetr: str
    amount: Money
    settlement_date: int
    debtor: str
    debtor_account: str
    debtor_bank: str
    creditor_bank: str
    creditor: str
    creditor_account: str
    remittance: str = ""

    KIND: ClassVar[str] = "pacs.008.001.08"
    ROOT: ClassVar[str] = "FIToFICstmrCdtTrf"
    LAYOUT: ClassVar[Layout] = layout("""
        GrpHdr/MsgId                             message_id        text
        GrpHdr/CreDtTm                           created           moment
        GrpHdr/NbOfTxs                           = 1
        GrpHdr/SttlmInf/SttlmMtd                 = INDA
        CdtTrfTxInf/PmtId/EndToEndId             end_to_end        text
        CdtTrfTxInf/PmtId/UETR                   uetr              text
        CdtTrfTxInf/IntrBkSttlmAmt               amount            money
        CdtTrfTxInf/IntrBkSttlmDt                settlement_date   date
        CdtTrfTxInf/ChrgBr                       = SHAR
        CdtTrfTxInf/Dbtr/Nm                      debtor            text
        CdtTrfTxInf/DbtrAcct/Id/Othr/Id          debtor_account    text
        CdtTrfTxInf/DbtrAgt/FinInstnId/BICFI     debtor_bank       text
        CdtTrfTxInf/CdtrAgt/FinInstnId/BICFI     creditor_bank     text
        CdtTrfTxInf/Cdtr/Nm                      creditor          text
        CdtTrfTxInf/CdtrAcct/Id/Othr/Id          creditor_account  text
        CdtTrfTxInf/RmtInf/Ustrd                 remittance        text?
    """)


@dataclass(frozen=True, slots=True)
class BankTransfer(Body):
    """pacs.009.001.08: the offer of a payment against payment. `amount` lies locked on the ledger `network` (16
    hexadecimal digits) in output 0 of the transaction `lock`, for whoever shows the preimage of `hash` by `until`; the
    sender wants `wanted`, by the quote `contract`, locked under the same hash until `other_until` at the latest."""

    end_to_end: str
    uetr: str
    amount: Money
    settlement_date: int
    debtor_bank: str
    creditor_bank: str
    contract: str
    network: str
    lock: bytes
    hash: bytes
    until: int
    wanted: Money
    other_until: int

    KIND: ClassVar[str] = "pacs.009.001.08"
    ROOT: ClassVar[str] = "FICdtTrf"
    LAYOUT: ClassVar[Layout] = layout("""
        GrpHdr/MsgId                                     message_id       text
        GrpHdr/CreDtTm                                   created          moment
        GrpHdr/NbOfTxs                                   = 1
        GrpHdr/SttlmInf/SttlmMtd                         = INDA
        CdtTrfTxInf/PmtId/EndToEndId                     end_to_end       text
        CdtTrfTxInf/PmtId/UETR                           uetr             text
        CdtTrfTxInf/IntrBkSttlmAmt                       amount           money
        CdtTrfTxInf/IntrBkSttlmDt                        settlement_date  date
        CdtTrfTxInf/Dbtr/FinInstnId/BICFI                debtor_bank      text
        CdtTrfTxInf/Cdtr/FinInstnId/BICFI                creditor_bank    text
        CdtTrfTxInf/RmtInf/Ustrd                         contract         text
        CdtTrfTxInf/SplmtryData/Envlp/HashLock/Ntwk      network          text
        CdtTrfTxInf/SplmtryData/Envlp/HashLock/TxId      lock             hash
        CdtTrfTxInf/SplmtryData/Envlp/HashLock/Hash      hash             hash
        CdtTrfTxInf/SplmtryData/Envlp/HashLock/Until     until            moment
        CdtTrfTxInf/SplmtryData/Envlp/HashLock/Wntd      wanted           money
        CdtTrfTxInf/SplmtryData/Envlp/HashLock/OthrUntil other_until      moment
    """)


@dataclass(frozen=True, slots=True)
class Status(Body):
    """pacs.002.001.10: how the payment `uetr` stands, and why.

    In a payment against payment it also says where the answering side has locked its money (empty or None otherwise).
    """

    original_message: str
    original_kind: str
    end_to_end: str
    uetr: str
    status: str
    reason: str = ""
    network: str = ""
    lock: bytes | None = None
    hash: bytes | None = None
    until: int | None = None

    KIND: ClassVar[str] = "pacs.002.001.10"
    ROOT: ClassVar[str] = "FIToFIPmtStsRpt"
    LAYOUT: ClassVar[Layout] = layout("""
        GrpHdr/MsgId                                  message_id        text
        GrpHdr/CreDtTm                                created           moment
        TxInfAndSts/OrgnlGrpInf/OrgnlMsgId            original_message  text
        TxInfAndSts/OrgnlGrpInf/OrgnlMsgNmId          original_kind     text
        TxInfAndSts/OrgnlEndToEndId                   end_to_end        text
        TxInfAndSts/OrgnlUETR                         uetr              text
        TxInfAndSts/TxSts                             status            text
        TxInfAndSts/StsRsnInf/Rsn/Cd                  reason            text?
        TxInfAndSts/SplmtryData/Envlp/HashLock/Ntwk   network           text?
        TxInfAndSts/SplmtryData/Envlp/HashLock/TxId   lock              hash?
        TxInfAndSts/SplmtryData/Envlp/HashLock/Hash   hash              hash?
        TxInfAndSts/SplmtryData/Envlp/HashLock/Until  until             moment?
    """)


@dataclass(frozen=True, slots=True)
class Return(Body):
    """pacs.004.001.09: the money of the payment `uetr` comes back, all of it, and why."""

    original_message: str
    original_kind: str
    end_to_end: str
    uetr: str
    amount: Money
    settlement_date: int
    reason: str

    KIND: ClassVar[str] = "pacs.004.001.09"
    ROOT: ClassVar[str] = "PmtRtr"
    LAYOUT: ClassVar[Layout] = layout("""
        GrpHdr/MsgId                             message_id        text
        GrpHdr/CreDtTm                           created           moment
        GrpHdr/NbOfTxs                           = 1
        GrpHdr/SttlmInf/SttlmMtd                 = INDA
        TxInf/OrgnlGrpInf/OrgnlMsgId             original_message  text
        TxInf/OrgnlGrpInf/OrgnlMsgNmId           original_kind     text
        TxInf/OrgnlEndToEndId                    end_to_end        text
        TxInf/OrgnlUETR                          uetr              text
        TxInf/RtrdIntrBkSttlmAmt                 amount            money
        TxInf/IntrBkSttlmDt                      settlement_date   date
        TxInf/RtrRsnInf/Rsn/Cd                   reason            text
    """)


@dataclass(frozen=True, slots=True)
class CancelRequest(Body):
    """camt.056.001.08: `assigner` asks `assignee` to cancel the payment `uetr`, and why."""

    assigner: str
    assignee: str
    original_message: str
    original_kind: str
    end_to_end: str
    uetr: str
    reason: str

    KIND: ClassVar[str] = "camt.056.001.08"
    ROOT: ClassVar[str] = "FIToFIPmtCxlReq"
    LAYOUT: ClassVar[Layout] = layout("""
        Assgnmt/Id                                 message_id        text
        Assgnmt/Assgnr/Agt/FinInstnId/BICFI        assigner          text
        Assgnmt/Assgne/Agt/FinInstnId/BICFI        assignee          text
        Assgnmt/CreDtTm                            created           moment
        Undrlyg/TxInf/OrgnlGrpInf/OrgnlMsgId       original_message  text
        Undrlyg/TxInf/OrgnlGrpInf/OrgnlMsgNmId     original_kind     text
        Undrlyg/TxInf/OrgnlEndToEndId              end_to_end        text
        Undrlyg/TxInf/OrgnlUETR                    uetr              text
        Undrlyg/TxInf/CxlRsnInf/Rsn/Cd             reason            text
    """)


@dataclass(frozen=True, slots=True)
class Resolution(Body):
    """camt.029.001.09: the payment `uetr` is not cancelled, and why. (A cancellation is answered with pacs.004.)"""

    assigner: str
    assignee: str
    original_message: str
    original_kind: str
    end_to_end: str
    uetr: str
    reason: str

    KIND: ClassVar[str] = "camt.029.001.09"
    ROOT: ClassVar[str] = "RsltnOfInvstgtn"
    LAYOUT: ClassVar[Layout] = layout("""
        Assgnmt/Id                                     message_id        text
        Assgnmt/Assgnr/Agt/FinInstnId/BICFI            assigner          text
        Assgnmt/Assgne/Agt/FinInstnId/BICFI            assignee          text
        Assgnmt/CreDtTm                                created           moment
        Sts/Conf                                       = RJCR
        CxlDtls/TxInfAndSts/OrgnlGrpInf/OrgnlMsgId     original_message  text
        CxlDtls/TxInfAndSts/OrgnlGrpInf/OrgnlMsgNmId   original_kind     text
        CxlDtls/TxInfAndSts/OrgnlEndToEndId            end_to_end        text
        CxlDtls/TxInfAndSts/OrgnlUETR                  uetr              text
        CxlDtls/TxInfAndSts/CxlStsRsnInf/Rsn/Cd        reason            text
    """)


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance of a statement: OPENING or CLOSING, the amount (whose currency an empty account keeps), the day.

    `minor` may be 0, which is no `Money`; it is written with the statement's currency.
    """

    type: str
    amount: Money
    side: str
    date: int

    LAYOUT: ClassVar[Layout] = layout("""
        Tp/CdOrPrtry/Cd    type    text
        Amt                amount  balance
        CdtDbtInd          side    text
        Dt/Dt              date    date
    """)


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """A movement: `side` as the account's owner sees it (CREDIT: more for the owner), the UETR where there is one."""

    reference: str
    amount: Money
    side: str
    booked: int
    what: str
    uetr: str = ""

    LAYOUT: ClassVar[Layout] = layout("""
        NtryRef                       reference  text
        Amt                           amount     money
        CdtDbtInd                     side       text
        Sts/Cd                        = BOOK
        BookgDt/DtTm                  booked     moment
        BkTxCd/Prtry/Cd               what       text
        NtryDtls/TxDtls/Refs/UETR     uetr       text?
    """)


@dataclass(frozen=True, slots=True)
class Statement(Body):
    """camt.053.001.08: the movements of one account from moment `first` to moment `last`, with both balances."""

    statement: str
    number: int
    first: int
    last: int
    account: str
    currency: str
    owner: str
    servicer: str
    balances: tuple[Balance, ...]
    entries: tuple[StatementEntry, ...] = ()

    KIND: ClassVar[str] = "camt.053.001.08"
    ROOT: ClassVar[str] = "BkToCstmrStmt"
    LAYOUT: ClassVar[Layout] = layout(
        """
        GrpHdr/MsgId                          message_id  text
        GrpHdr/CreDtTm                        created     moment
        Stmt/Id                               statement   text
        Stmt/ElctrncSeqNb                     number      number
        Stmt/FrToDt/FrDtTm                    first       moment
        Stmt/FrToDt/ToDtTm                    last        moment
        Stmt/Acct/Id/Othr/Id                  account     text
        Stmt/Acct/Ccy                         currency    text
        Stmt/Acct/Ownr/Nm                     owner       text
        Stmt/Acct/Svcr/FinInstnId/BICFI       servicer    text
        Stmt/Bal                              * balances BALANCE
        Stmt/Ntry                             * entries  ENTRY
        """,
        {"BALANCE": (Balance.LAYOUT, Balance), "ENTRY": (StatementEntry.LAYOUT, StatementEntry)},
    )


BODIES: dict[str, type[Body]] = {
    body.KIND: body
    for body in (
        Initiation,
        CustomerTransfer,
        BankTransfer,
        Status,
        Return,
        CancelRequest,
        Resolution,
        Statement,
    )
}


@dataclass(frozen=True, slots=True)
class Header:
    """head.001.001.02: who sends to whom (a bank's BIC, or a customer's account), which kind, which message, when."""

    sender_bank: str
    sender_account: str
    receiver_bank: str
    receiver_account: str
    message_id: str
    kind: str
    created: int

    LAYOUT: ClassVar[Layout] = layout("""
        Fr/OrgId/Id/OrgId/Othr/Id    sender_account    text?
        Fr/FIId/FinInstnId/BICFI     sender_bank       text?
        To/OrgId/Id/OrgId/Othr/Id    receiver_account  text?
        To/FIId/FinInstnId/BICFI     receiver_bank     text?
        BizMsgIdr                    message_id        text
        MsgDefIdr                    kind              text
        CreDt                        created           moment
    """)


@dataclass(frozen=True, slots=True)
class Message:
    """A message on its way: `sender` and `receiver` are BICs, or the numbers of customers' accounts, and the body."""

    sender: str
    receiver: str
    body: Body

    def encode(self) -> bytes:
        """The bytes of the message, which our own schema has found right: E_RAILS_SCHEMA and E_RAILS_LAYOUT are bugs of
        whoever filled it in, and are raised here rather than at the receiver."""
        data = self._written()
        open_message(data)
        return data

    def _written(self) -> bytes:
        sender, receiver = ((_bank(name), _account(name)) for name in (self.sender, self.receiver))
        body = self.body
        header = Header(*sender, *receiver, body.message_id, body.KIND, body.created)
        writer = Writer()
        writer.start("BizMsg", ENVELOPE)
        writer.start("AppHdr", ISO + HEADER)
        write(writer, Header.LAYOUT, header)
        writer.end(1)
        writer.start("Document", ISO + body.KIND)
        writer.start(body.ROOT)
        write(writer, body.LAYOUT, body)
        return writer.text()


def _bank(name: str) -> str:
    return name if is_bic(name) else ""


def _account(name: str) -> str:
    return "" if is_bic(name) else name


def is_bic(name: str) -> bool:
    """Whether a name has the form of a bank's identifier here: eight or eleven capital letters and digits."""
    return (
        len(name) in (8, 11) and name.isascii() and name.isalnum() and name.isupper() and name[:6].isalpha()
    )


def open_message(data: bytes) -> Message:
    """The message in these bytes, judged strictly.

    Raises E_SIZE, E_RAILS_XML, E_RAILS_KIND, E_RAILS_SCHEMA, E_RAILS_CURRENCY, E_RAILS_AMOUNT_TEXT, E_RAILS_MOMENT,
    E_MONEY_RANGE, and E_RAILS_LAYOUT for anything that would not be written just so.
    """
    root = parse(data)
    names = [split_name(child.tag) for child in root]
    if split_name(root.tag) != (ENVELOPE, "BizMsg") or [name for _, name in names] != ["AppHdr", "Document"]:
        raise Malformed("E_RAILS_XML", problem="the envelope is not ours: BizMsg with AppHdr and Document")
    kind = names[1][0].removeprefix(ISO)
    if names[1][0] != ISO + kind or kind not in BODIES:
        raise Malformed("E_RAILS_KIND", kind=names[1][0][-40:])
    validate(root[0], HEADER)
    validate(root[1], kind)
    header = Header(**read(root[0], Header.LAYOUT))
    of = BODIES[kind]
    body = of(**read(root[1][0], of.LAYOUT))
    message = Message(
        header.sender_bank or header.sender_account, header.receiver_bank or header.receiver_account, body
    )
    if message._written() != data:
        raise Malformed(
            "E_RAILS_LAYOUT", problem="it is not written in the one layout, or says more than is taken"
        )
    return message
