"""What a job checks before it works: `python -m ... FOLDER STEP <SCRIPT`, called by the script.

The script that Slurm runs must be the one that was launched, and the recipe what it was then: a
requeued job would otherwise go on with something else.
"""

import sys
from pathlib import Path

from civicbench.core.environment import code_version, keep_hub_offline
from civicbench.core.errors import CivicbenchError, InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.launch.slurm.submission import (
    Submission,
    edited_scripts,
    read_submission,
    require_own_script,
)


def check_attempt(folder: Path, step: str, *, running: str, reporter: Reporter) -> None:
    """Check one attempt of a job.

    Args:
        folder: The launch's folder.
        step: The job's step.
        running: The script that Slurm runs.
        reporter: Told of what is odd and does not matter.

    Raises:
        IntegrityError: The script was changed by hand.
        InvalidInputError: The recipe or one of its parts was changed.
    """
    submission = read_submission(folder)
    require_own_script(submission, step, running)
    why = edited_scripts(folder, submission).get(step)
    if why is not None:
        reporter.say(
            f"note: the kept script {step}.sbatch {why} after the launch; this job runs as it "
            "was launched"
        )
    if submission.code_version != code_version():
        reporter.say(
            f"note: launched with Civicbench {submission.code_version}, this is {code_version()}"
        )
    _require_same_recipe(submission)


def _require_same_recipe(submission: Submission) -> None:
    from civicbench.pipeline.cluster.facts import changed_facts
    from civicbench.pipeline.cluster.launching import facts_now

    changed = changed_facts(submission.facts, facts_now(submission))
    if changed:
        raise InvalidInputError(
            "what was launched has been changed since",
            where=submission.name,
            got="; ".join(changed),
            remedy="undo the change, or launch again: a job never goes on with another recipe",
        )


def main() -> int:
    """Check, and return the exit code that the job ends with where something is wrong."""
    keep_hub_offline()
    folder, step = Path(sys.argv[1]), sys.argv[2]
    try:
        check_attempt(folder, step, running=sys.stdin.read(), reporter=Reporter())
    except CivicbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
