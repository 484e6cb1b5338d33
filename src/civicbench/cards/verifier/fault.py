"""What is wrong with a dossier."""


class FaultError(Exception):
    """The first thing found wrong.

    Args:
        place: The file in which it was found, or "the archive".
        problem: What is wrong, as the rest of a sentence that begins with the place.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem
