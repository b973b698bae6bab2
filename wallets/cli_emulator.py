"""`tenge bank-emulator`: the national platform for a bank's developer, with test cases.

The names of verbs and the report are for developers of banks' systems; heavy modules are loaded by the command.
"""

import click

from wallets.cli_answers import FAILED, OK, print_json, refusals


@click.group("bank-emulator")
def bank_emulator() -> None:
    """Try a bank's own system against an emulated national platform: test cases over HTTP.

    Test money; not affiliated with the National Bank of Kazakhstan.
    """


@bank_emulator.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def list_cases(as_json: bool) -> int:
    """List the test cases.

    \b
    Example:
      tenge bank-emulator list
    """
    from wallets.emulator.cases import CASES

    if as_json:
        print_json(
            [{"case": one.name, "title": one.title, "tasks": len(one.tasks)} for one in CASES.values()]
        )
    else:
        for one in CASES.values():
            click.echo(f"{one.name:28} {one.title}")
    return OK


@bank_emulator.command("run")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Run every case.")
@click.option(
    "--client", default="", help="A command that is the client [the reference client]; see the documents."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def run_cases(names: tuple[str, ...], everything: bool, client: str, as_json: bool) -> int:
    """Run test cases with the reference client, or with your own; exit 1 when one fails.

    Your client finds the emulator's address in TENGE_EMULATOR_URL and is started once for each case.

    \b
    Examples:
      tenge bank-emulator run --all
      tenge bank-emulator run issue sell --client "java -jar bank.jar" --json
    """
    from wallets.emulator import run as runner

    results = runner.run(runner.chosen(names, everything), client)
    if as_json:
        print_json({"ok": all(one.ok for one in results), "cases": [one.show() for one in results]})
    else:
        for line in runner.words(results):
            click.echo(line)
    return OK if all(one.ok for one in results) else FAILED


@bank_emulator.command("serve")
@click.argument("name")
@click.option("--port", default=8790, show_default=True, help="The port to listen on; 0 takes a free one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON at the end.")
@refusals
def serve_case(name: str, port: int, as_json: bool) -> int:
    """Serve one test case for a client that is started by hand, until the case ends or Ctrl-C.

    \b
    Example:
      tenge bank-emulator serve issue
    """
    from cbdc.ports import SystemClock
    from wallets.emulator import run as runner
    from wallets.emulator.conductor import Conductor
    from wallets.emulator.platform import Platform
    from wallets.site.serving import running

    [case] = runner.chosen([name], everything=False)
    platform = Platform(runner.SEED, SystemClock())
    try:
        conductor = Conductor(case, platform)
        with running(conductor, "127.0.0.1", port) as listening:
            click.echo(f"{case.title}\nThe emulator is at http://127.0.0.1:{listening}", err=True)
            conductor.ended.wait()
    finally:
        platform.close()
    result = runner.Result(case, conductor.passed, conductor.problem)
    if as_json:
        print_json(result.show())
    else:
        for line in runner.words([result]):
            click.echo(line)
    return OK if result.ok else FAILED
