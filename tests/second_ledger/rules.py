"""What each type asks and what it changes (ledger/4, "Each type")."""

from collections.abc import Callable
from dataclasses import replace

from tests.second_ledger.clauses import fact_id
from tests.second_ledger.context import Context, keep, total, unmarked
from tests.second_ledger.errors import require
from tests.second_ledger.genesis import Genesis
from tests.second_ledger.limits import ask_limits
from tests.second_ledger.marks import ask_transfer, may_go_offline
from tests.second_ledger.release import ask_expiry, ask_release
from tests.second_ledger.state import Changes, Key, State, Token, line_of
from tests.second_ledger.transactions import Transaction


def _issue(ctx: Context) -> None:
    """64 Issue (ledger/4, "Each type")."""
    ctx.emission()
    ctx.role(17)
    unmarked(ctx.outputs)
    ctx.places("Issue")
    ctx.once(ctx.tx.fields["request"], "E_REQUEST_USED")
    ctx.changes.added[b"issued"] += total(ctx.outputs)


def _lock_holders(ctx: Context) -> None:
    """ "Lock holders" of a Transfer."""
    spenders = {ctx.holder_of(token) for token in ctx.inputs}
    for token in ctx.outputs:
        lock = token.lock
        if lock[0] == 3:
            require(ctx.holder_of(token) in spenders, "E_LOCK_HOLDER")
        if lock[0] == 2:
            keys = [ctx.state.keys[kid] for kid in lock[2]]
            one_line = len({key.line for key in keys}) == 1
            one_holder = len({key.holder for key in keys}) == 1
            require(one_line and (one_holder or lock[2][0] in ctx.signers), "E_LOCK_HOLDER")


def _transfer(ctx: Context) -> None:
    """65 Transfer (ledger/4, "Each type")."""
    ctx.take_inputs()
    ctx.locks()
    ctx.balanced()
    ask_transfer(ctx)
    ctx.places("Transfer")
    _lock_holders(ctx)
    ctx.not_frozen()
    ask_limits(ctx)


def _redeem(ctx: Context) -> None:
    """66 Redeem (ledger/4, "Each type")."""
    ctx.take_inputs()
    ctx.locks()
    ctx.role(17)
    redeemed = total(ctx.inputs) - total(ctx.outputs)
    require(redeemed > 0, "E_SUM_LEDGER")
    require(not any(token.mark for token in ctx.inputs), "E_MARK_BLOCKS")
    unmarked(ctx.outputs)
    ctx.places("Redeem")
    ctx.not_frozen()
    ctx.once(ctx.tx.fields["request"], "E_REQUEST_USED")
    ctx.changes.added[b"redeemed"] += redeemed


def _freeze(ctx: Context) -> None:
    """67 Freeze (ledger/4, "Each type")."""
    ctx.role(21)
    holder = ctx.tx.fields["holder"]
    require(holder not in ctx.state.frozen, "E_FROZEN")
    ctx.changes.frozen[holder] = ctx.tx.fields["legal_reference"]


def _unfreeze(ctx: Context) -> None:
    """68 Unfreeze (ledger/4, "Each type")."""
    ctx.role(21)
    holder = ctx.tx.fields["holder"]
    require(holder in ctx.state.frozen, "E_NOT_FROZEN")
    ctx.changes.frozen[holder] = None


def _seize(ctx: Context) -> None:
    """69 Seize (ledger/4, "Each type")."""
    ctx.take_inputs()
    ctx.role(21)
    ctx.balanced()
    mark = ctx.one_mark()
    wallets = [token for token in ctx.outputs if ctx.key_of(token).line == "wallets"]
    others = [token for token in ctx.outputs if ctx.key_of(token).line != "wallets"]
    keep(wallets, mark)
    unmarked(others)
    ctx.places("Seize")
    require(bool(others), "E_CATEGORY_LEDGER")


def _load(ctx: Context) -> None:
    """72 LoadOffline (ledger/4, "Each type")."""
    ctx.take_inputs()
    ctx.locks()
    ctx.balanced()
    mark = ctx.one_mark()
    keep(ctx.outputs, mark)
    if mark:
        definition = ctx.known(mark).fields
        require(may_go_offline(definition, ctx.key_of(ctx.inputs[0]).category), "E_MARK_OFFLINE")
        require(definition["valid_from"] <= ctx.now <= definition["valid_until"], "E_MARK_TIME")
    ctx.places("LoadOffline")
    escrow = [ctx.key_of(token).category == 202 for token in ctx.outputs]
    count = sum(escrow)
    require(count > 0 and all(escrow[:count]), "E_CATEGORY_LEDGER")
    require(ctx.tx.fields["load_number"] + count - 1 <= 2**53 - 1, "E_LOAD_NUMBERS")
    ctx.not_frozen()


def _settled_mark(ctx: Context, token: Token, mark: bytes) -> None:
    """The mark of one output of SettleOffline."""
    kind, category = ctx.tx.fields["kind"], ctx.key_of(token).category
    if category == (203 if kind == 2 else 202):
        keep([token], mark)
    elif kind == 2:
        if token.mark:
            ctx.known(token.mark)
    elif kind == 3:
        keep([token], b"")
    else:
        definition = ctx.known(mark).fields if mark else {}
        converts = kind == 1 and definition.get("converts_on_redeem") == 1
        dropped = converts and category in definition["release_categories"]
        keep([token], b"" if dropped else mark)


def _settle(ctx: Context) -> None:
    """73 SettleOffline (ledger/4, "Each type")."""
    ctx.take_inputs()
    ctx.role(4)
    ctx.balanced()
    mark = ctx.one_mark()
    for token in ctx.outputs:
        _settled_mark(ctx, token, mark)
    ctx.places(f"Settle{ctx.tx.fields['kind']}")
    ctx.once(ctx.tx.fields["fact"], "E_FACT_USED")


def _free_key(ctx: Context, kid: bytes) -> None:
    """The new key is neither registered nor named by an AUTH."""
    taken = kid in ctx.state.keys or ctx.genesis.certified(kid) is not None
    require(not taken, "E_KEY_TAKEN")


def _register(ctx: Context) -> None:
    """74 RegisterKey (ledger/4, "Each type")."""
    fields, new = ctx.tx.fields, ctx.new_kid()
    bank, category, pseudonym = fields["bank_id"], fields["category"], fields["pseudonym"]
    require(new in ctx.signers, "E_POSSESSION")
    ctx.registrar(category, bank)
    wallet = line_of(category) == "wallets"
    require(not wallet or ctx.genesis.tier(fields["tier"]) is not None, "E_TIER")
    _free_key(ctx, new)
    require(ctx.state.counter(b"bank:" + pseudonym) in (0, bank + 1), "E_PSEUDONYM_TAKEN")
    key = Key(fields["algorithm"], fields["public_key"], bank, fields["tier"], category, pseudonym)
    ctx.changes.keys[new] = key
    ctx.changes.banks[pseudonym] = bank


def _rotate(ctx: Context) -> None:
    """75 RotateKey (ledger/4, "Each type")."""
    fields, new, old = ctx.tx.fields, ctx.new_kid(), ctx.tx.fields["old"]
    require(old in ctx.state.keys, "E_KEY_UNKNOWN")
    key = ctx.state.keys[old]
    require(not key.successor, "E_KEY_RETIRED")
    require(old in ctx.signers and new in ctx.signers, "E_POSSESSION")
    ctx.registrar(key.category, key.bank)
    _free_key(ctx, new)
    ctx.state.succeed(ctx.changes, old, new)
    ctx.changes.keys[new] = replace(key, algorithm=fields["algorithm"], raw=fields["public_key"])


def _attest(ctx: Context) -> None:
    """76 Attest (ledger/4, "Each type")."""
    kids = {auth.kid for auth in ctx.role(22)}
    require(len(kids) == 1, "E_ATTEST")
    fields = ctx.tx.fields
    parts = (fields["fact_kind"], fields["subject"], fields["counterparty"], fields["document"])
    content = (fields["amount"], fields["lines"], fields["expires"], fields["standing"])
    ctx.changes.facts[fact_id(kids.pop(), *parts)] = content


def _hand_over(ctx: Context) -> None:
    """78 HandOver (ledger/4, "Each type")."""
    fields = ctx.tx.fields
    source, target, pseudonym = fields["from_bank"], fields["to_bank"], fields["pseudonym"]
    ctx.role(21)
    ctx.bank(target)
    answers = ctx.state.counter(b"bank:" + pseudonym) - 1
    require(source != target and answers in (source, target), "E_HANDOVER_BANK")
    for kid in fields["keys"]:
        require(kid in ctx.state.keys, "E_KEY_UNKNOWN")
        key = ctx.state.keys[kid]
        fits = key.pseudonym == pseudonym and key.bank == source and key.line == "wallets"
        require(fits, "E_HANDOVER_BANK")
        ctx.changes.keys[kid] = replace(key, bank=target)
    ctx.changes.banks[pseudonym] = target


def _recover(ctx: Context) -> None:
    """79 Recover (ledger/4, "Each type")."""
    fields, keys = ctx.tx.fields, ctx.state.keys
    old, new = fields["old"], fields["new"]
    require(old in keys and new in keys, "E_KEY_UNKNOWN")
    require(not keys[new].successor, "E_KEY_RETIRED")
    after = keys[old].successor
    if after and after != new:
        require(after in keys and bool(keys[after].successor), "E_KEY_RETIRED")
    ctx.take_inputs()
    ctx.role(21)
    ctx.bank(keys[new].bank)
    require(new in ctx.signers, "E_POSSESSION")
    ctx.balanced()
    if ctx.inputs:
        keep(ctx.outputs, ctx.one_mark())
        ctx.places("Recover")
    fits = all(token.lock == (1, old) for token in ctx.inputs)
    fits = fits and all(token.lock == (1, new) for token in ctx.outputs)
    same = keys[old].holder == keys[new].holder and keys[old].bank == keys[new].bank
    require(fits and same and old != new, "E_RECOVER_KEYS")
    ctx.state.succeed(ctx.changes, old, new)


_ASK: dict[int, Callable[[Context], None]] = {
    64: _issue,
    65: _transfer,
    66: _redeem,
    67: _freeze,
    68: _unfreeze,
    69: _seize,
    70: ask_release,
    71: ask_expiry,
    72: _load,
    73: _settle,
    74: _register,
    75: _rotate,
    76: _attest,
    78: _hand_over,
    79: _recover,
}


def decide(genesis: Genesis, state: State, tx: Transaction, now: int) -> tuple[Changes, dict[bytes, int]]:
    """Judge a transaction in a state; gives its changes and the new counters, or refuses (ledger/4)."""
    ctx = Context(genesis, state, tx, now)
    ctx.ask_signers()
    _ASK[tx.kind](ctx)
    identity = tx.identity(genesis.network)
    ctx.changes.spent = list(tx.inputs)
    ctx.changes.made = [((identity, place), token) for place, token in enumerate(ctx.outputs)]
    return ctx.changes, state.prepare(ctx.changes)
