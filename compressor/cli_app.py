"""The commands, and how one of them is picked. Heavy modules are imported inside the commands."""

from __future__ import annotations

from typing import Annotated

import typer

import compressor
from compressor.cli_bench import bench
from compressor.cli_check import check
from compressor.cli_compress import compress
from compressor.cli_demo import demo
from compressor.cli_doctor import doctor
from compressor.cli_export import export
from compressor.cli_finetune import finetune
from compressor.cli_gate import gate
from compressor.cli_init import init
from compressor.cli_inspect import inspect
from compressor.cli_latency import table
from compressor.cli_report import report
from compressor.cli_run import run as run_recipe
from compressor.cli_sparsify import sparsify
from compressor.cli_study import study
from compressor.cli_verify import verify
from compressor.cli_why import why
from compressor.errors import UsageError

PROGRAM = "compressor"

app = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    rich_markup_mode=None,  # plain help: at once on any terminal, and the same in a pipe
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Make ONNX models smaller: proven equal to the masked original, measured on this machine.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {compressor.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Options of the program itself."""


for _command in (inspect, check, compress, sparsify, finetune, verify, bench, why, gate, report, export, demo, doctor):
    app.command(_command.__name__)(_command)
app.command("table")(table)
app.command("init")(init)
app.command("run")(run_recipe)
app.add_typer(study, name="study")


def run(arguments: list[str]) -> int:
    """Parse and carry out; the exit code.

    Raises:
        UsageError: wrong arguments, in one line instead of typer's several.
        CompressorError: whatever the command raises.
    """
    command = typer.main.get_command(app)
    try:
        # Not command.main(): it turns Ctrl-C and closed pipes into its own messages.
        with command.make_context(PROGRAM, arguments or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as error:
        path = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
        raise UsageError(error.format_message(), fix=f"See `{path} --help`.") from None
    return 0
