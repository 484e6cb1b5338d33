"""The command line: signatures and help; what a command needs is imported inside it."""

import logging
import os
import select
import sys
import traceback
import warnings

import click

from civicbench import __version__
from civicbench.cli import asking, care, reviewing  # noqa: F401 (they add commands to `registry`)
from civicbench.cli.comparing import card, compare
from civicbench.cli.curation import card_of_dataset, diff_snapshots, preview_dataset
from civicbench.cli.dossiers import dossier
from civicbench.cli.evaluating import evaluate, scores
from civicbench.cli.exporting import export
from civicbench.cli.gates import gates
from civicbench.cli.importing import evaluate_version, import_version
from civicbench.cli.jobs import cancel, jobs
from civicbench.cli.judging import judge
from civicbench.cli.launching import launch
from civicbench.cli.listing import datasets, models, recipes
from civicbench.cli.mirror import mirror
from civicbench.cli.people import keys, people
from civicbench.cli.planning import plan
from civicbench.cli.project import doctor, init
from civicbench.cli.publishing import publish
from civicbench.cli.sweeping import sweep, sweeps
from civicbench.cli.talking import chat
from civicbench.cli.transparency import atrs
from civicbench.cli.versions import registry
from civicbench.cli.waiving import list_waivers, waive
from civicbench.cli.working import run, train
from civicbench.core.environment import keep_hub_offline, yield_waiting_threads
from civicbench.core.errors import CivicbenchError, ExitCode

_EPILOGUE = (
    "Exit codes: 0 done, 1 internal error, 2 usage or invalid recipe, 3 a gate failed, 4 waiting "
    "for a decision, 5 a needed part is absent, 6 an integrity check failed, 75 stopped by a "
    "signal (try again), 130 interrupted."
)


class _Application(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            if not _silence_closed_outputs():
                raise
            raise click.Abort from None


def _silence_closed_outputs() -> bool:
    """Send what nobody reads any more (`civicbench ... | head`) nowhere; say if there was any."""
    found = False
    for stream in (sys.stdout, sys.stderr):
        output = select.poll()
        output.register(stream.fileno(), 0)
        if output.poll(0):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            found = True
    return found


@click.group(
    cls=_Application, epilog=_EPILOGUE, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="civicbench")
@click.option("--offline", is_flag=True, help="Fetch nothing; fail where something is missing.")
def application(offline: bool) -> None:
    """Fine-tune, evaluate, register and document open models, from one recipe."""
    if offline:
        os.environ["CIVICBENCH_OFFLINE"] = "1"


for _command in (
    init, plan, run, train, launch, evaluate, scores, judge, compare, sweep, sweeps, jobs, cancel,
    registry, gates, people, keys, card, atrs, dossier, export, publish, models, datasets, recipes,
    chat, mirror, doctor,
):  # fmt: skip
    application.add_command(_command)
for _command in (import_version, evaluate_version, waive, list_waivers):
    registry.add_command(_command)
for _command in (preview_dataset, diff_snapshots, card_of_dataset):
    datasets.add_command(_command)


def main() -> None:
    """Run the command line and exit with a documented code."""
    keep_hub_offline()
    yield_waiting_threads()
    # The libraries' own chatter hides what Civicbench says; their errors still come through.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for library in ("lm_eval", "bitsandbytes"):
        logging.getLogger(library).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        ended = application.main(standalone_mode=False)
        if isinstance(ended, int):  # click returns the code of an Exit that a command raised
            sys.exit(ended)
    except CivicbenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("interrupted; finished stages are kept", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    except click.exceptions.Exit as finished:
        sys.exit(finished.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.INVALID_USE)
    except Exception:  # the outermost frame: report, and exit with the documented code
        traceback.print_exc()
        click.echo("internal error: please report this with the lines above", err=True)
        sys.exit(ExitCode.INTERNAL_ERROR)
