"""The errors of OAI-PMH, which are documents to everybody but the protocols; and that of a scenario."""


class OaiError(Exception):
    """An error condition (OAI-PMH section 3.6).

    Attributes:
        code: one of the eight of the specification.
        text: for people.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class ScenarioError(ValueError):
    """A scenario that cannot be played.

    Attributes:
        problems: all that is wrong with it, each with its place and what is allowed there.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
